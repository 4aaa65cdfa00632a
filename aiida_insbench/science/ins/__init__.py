"""Inelastic neutron scattering of powders from harmonic phonons.

Energy transfers in cm⁻¹, momentum transfers in Å⁻¹, mean-square displacements in Å².
"""
