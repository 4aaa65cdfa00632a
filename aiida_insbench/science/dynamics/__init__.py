"""Molecular dynamics: integrators that resume exactly, what is checked, what is read off a run."""
