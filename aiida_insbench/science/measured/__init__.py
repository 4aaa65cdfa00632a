"""Measured spectra and band shifts: files in, checked numbers with their conditions out.

Energy transfers in cm⁻¹, pressures in GPa, temperatures in K. Intensities are as in the file. What
was dropped or assumed on the way is told in `notes`.
"""
