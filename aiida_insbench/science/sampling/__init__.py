"""Ways to draw structures worth labelling: strained and rattled, equal-energy, frozen-phonon.

Every random number comes from `numpy.random.default_rng` of the seed given, one generator a frame:
frame 7 of seed 1 is the same whatever happened to frames 0 to 6.
"""
