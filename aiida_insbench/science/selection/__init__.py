"""Selection: from a large pool of frames to the few that are worth a label.

`environments` says how far frames are from each other, `farthest_points` chooses, `duplicates`
finds near-copies, `descriptors` describes atoms, `disagreement` asks a committee. All are pure:
same input, same choice.
"""
