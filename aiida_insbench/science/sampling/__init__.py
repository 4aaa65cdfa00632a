"""Ways to draw structures worth labelling, a module each; `docs/topics/sampling.md` compares them.

Every random number comes from `numpy.random.default_rng` of the seed given, one generator a frame:
frame 7 of seed 1 is the same whatever happened to frames 0 to 6.
"""
