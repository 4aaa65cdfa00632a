"""Campaigns: how far a committee agrees on spectra, when to stop, what its spread is worth."""
