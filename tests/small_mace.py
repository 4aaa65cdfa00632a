"""A MACE model of four channels for H and Mg, with random weights: nothing smaller is one."""

import numpy as np

HYPERPARAMETERS = {
    'num_bessel': 4,
    'num_polynomial_cutoff': 5,
    'max_ell': 1,
    'interaction_cls': 'RealAgnosticResidualInteractionBlock',
    'interaction_cls_first': 'RealAgnosticInteractionBlock',
    'num_interactions': 2,
    'hidden_irreps': '4x0e',
    'edge_irreps': None,
    'MLP_irreps': '4x0e',
    'gate': 'silu',
    'use_reduced_cg': False,
    'use_so3': False,
    'use_edge_irreps_first': False,
    'use_agnostic_product': False,
    'use_last_readout_only': False,
    'readout_cls': 'NonLinearReadoutBlock',
    'avg_num_neighbors': 12.3,
    'correlation': 2,
    'radial_type': 'bessel',
    'apply_cutoff': True,
    'radial_MLP': [8, 8],
    'pair_repulsion': False,
    'distance_transform': None,
    'atomic_inter_scale': [0.7],
    'atomic_inter_shift': [0.1],
}


def mace_model(dtype='float64', **changes):
    """A MACE model with random weights, built by hand and not by the code under test."""
    import mace.modules as modules
    import torch
    from e3nn import o3

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    torch.manual_seed(3)
    given = {
        **HYPERPARAMETERS,
        'r_max': 3.5,
        'num_elements': 2,
        'atomic_numbers': [1, 12],
        'atomic_energies': np.array([[-13.0, -1.5]]),
        'heads': ['Default'],
        'hidden_irreps': o3.Irreps('4x0e'),
        'MLP_irreps': o3.Irreps('4x0e'),
        'gate': torch.nn.functional.silu,
        'interaction_cls': modules.RealAgnosticResidualInteractionBlock,
        'interaction_cls_first': modules.RealAgnosticInteractionBlock,
        'readout_cls': modules.NonLinearReadoutBlock,
        **changes,
    }
    try:
        return modules.ScaleShiftMACE(**given)
    finally:
        torch.set_default_dtype(before)
