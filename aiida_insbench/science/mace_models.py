"""MACE models made from potentials and potentials made from MACE models.

With `aiida_insbench.jobs.mace_training` this is the only place that knows MACE. A potential is
made by taking the model's hyperparameters, building a second model from them and comparing the
forces of both: what is stored is known to come back. Energies eV, forces eV/Å, stress eV/Å³.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator, Mapping
from importlib import metadata as installed
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from aiida_insbench.science.checked_calculators import checked
from aiida_insbench.science.errors import PotentialError, format_error
from aiida_insbench.science.mace_scalar_calculator import row_of_elements, with_scalar_path
from aiida_insbench.science.potential_files import (
    MODEL_CLASSES,
    Potential,
    PotentialMetadata,
    metadata_with_weights,
)
from aiida_insbench.science.potential_hyperparameters import GATES, check_hyperparameters

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

#: Largest difference between a model and the one rebuilt from its potential, relative to the
#: largest of 1 and the value itself.
SAME = {'float64': 1e-12, 'float32': 1e-5}
_STORED_ELSEWHERE = ('r_max', 'num_elements', 'atomic_energies', 'atomic_numbers', 'heads')
_MUST_BE_ABSENT = ('cueq_config', 'embedding_specs', 'use_embedding_readout')
_RECORDED = ('mace-torch', 'torch', 'e3nn', 'safetensors')


def potential_from_mace(model: Any, *, provenance: Mapping[str, Any]) -> Potential:
    """Turn a MACE model into a potential.

    Parameters
    ----------
    model : torch.nn.Module
        A ``ScaleShiftMACE``; left as it is.
    provenance : mapping
        DFT level, licence, source; must be JSON.

    Returns
    -------
    Potential
        The same model gives the same bytes.

    Raises
    ------
    PotentialError
        If the model is of a kind that is not supported, or the one rebuilt from its
        hyperparameters differs from it.
    """
    mace = mace_parts()
    name = type(model).__name__
    if name not in MODEL_CLASSES:
        raise PotentialError(f'A model of class {name} cannot be stored; {MODEL_CLASSES} can.')
    config = mace['config'](model)
    present = [key for key in _MUST_BE_ABSENT if config.pop(key)]
    if present:
        raise PotentialError(f'A model with {", ".join(present)} cannot be stored.')
    numbers = [int(z) for z in config['atomic_numbers']]
    energies = np.atleast_2d(np.asarray(config['atomic_energies'], dtype=float))
    heads = tuple(str(head) for head in config['heads'])
    elements = tuple(chemical_symbols[z] for z in numbers)
    hyperparameters = check_hyperparameters(
        {key: _plain(value) for key, value in config.items() if key not in _STORED_ELSEWHERE}
    )
    described: dict[str, Any] = {
        'flavour': 'mace',
        'model_class': name,
        'hyperparameters': hyperparameters,
        'elements': elements,
        'cutoff': float(config['r_max']),
        'heads': heads,
        'isolated_atom_energies': {
            head: dict(zip(elements, row.tolist(), strict=True))
            for head, row in zip(heads, energies, strict=True)
        },
        'dtype': str(next(model.parameters()).dtype).removeprefix('torch.'),
        'provenance': dict(provenance),
        'versions': {key: installed.version(key) for key in _RECORDED},
    }
    rebuilt = _build(described, dtype=described['dtype'])
    _copy_weights(model, rebuilt)
    _check_same(model, rebuilt, tolerance=SAME[described['dtype']])
    weights = _to_bytes(rebuilt)
    return Potential(metadata_with_weights(described, weights), weights)


def mace_from_potential(potential: Potential, *, device: str = 'cpu', dtype: str = '') -> Any:
    """Build the MACE model of a potential.

    Parameters
    ----------
    potential : Potential
        As read by `read_potential`.
    device : str
        As torch names it.
    dtype : str
        ``float64`` or ``float32``; empty for the potential's own.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, with every parameter and buffer from the file.

    Raises
    ------
    PotentialError
        If a tensor is missing, too many or of another shape than the hyperparameters want, or
        elements, cutoff or isolated-atom energies differ between metadata and weights.
    """
    if potential.metadata.flavour != 'mace':
        raise PotentialError(
            f'The potential is of the flavour {potential.metadata.flavour!r}: it is no MACE model.'
        )
    safetensors = importlib.import_module('safetensors.torch')
    described = {
        name: getattr(potential.metadata, name) for name in PotentialMetadata.__dataclass_fields__
    }
    model = _build(described, dtype=dtype or potential.metadata.dtype)
    try:
        model.load_state_dict(safetensors.load(potential.weights), strict=True)
    except RuntimeError as exc:
        raise PotentialError(f'The weights do not fit the hyperparameters: {exc}') from exc
    _check_consistent(model, potential.metadata)
    return model.to(device).eval()


def single_head(model: Any, head: str) -> Any:
    """Keep one head of a MACE model that has several.

    Parameters
    ----------
    model : torch.nn.Module
        A ``ScaleShiftMACE``; left as it is.
    head : str
        The one to keep.

    Returns
    -------
    torch.nn.Module
        Raises no doubt: its energies, forces and stresses were compared with those of `model`.

    Raises
    ------
    PotentialError
        If there is no such head, or MACE's own reduction changes what it gives.
    """
    mace = mace_parts()
    if head not in model.heads:
        raise PotentialError(f'The model has the heads {", ".join(model.heads)}, no {head!r}.')
    dtype = str(next(model.parameters()).dtype).removeprefix('torch.')
    with building(mace['torch'], dtype):
        reduced = mace['scripts'].remove_pt_head(model, head)
    here = {key: value for key, value in _predict(model).items() if key.endswith(f'({head})')}
    _compare(here, _predict(reduced), tolerance=SAME[dtype], what=f'reduced to the head {head!r}')
    return reduced


def set_isolated_atom_energies(model: Any, e0s: Mapping[str, float]) -> None:
    """Give every head of a MACE model these isolated-atom energies (element to eV)."""
    held = model.atomic_energies_fn.atomic_energies
    energies = [e0s[chemical_symbols[int(z)]] for z in model.atomic_numbers]
    held.copy_(held.new_tensor(energies).expand_as(held))


def mace_calculator(
    potential: Potential, *, device: str = 'cpu', dtype: str = 'float64', head: str = ''
) -> Calculator:
    """Make an ASE calculator: energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign and order).

    Parameters
    ----------
    potential : Potential
        As read by `read_potential`.
    device : str
        As torch names it.
    dtype : str
        Precision of the computation; phonons and relaxations want ``float64``.
    head : str
        Which output of a model that has several.

    Returns
    -------
    Calculator
        Raises `PotentialError` on an element the potential does not know and `ComputationError`
        on results that are not finite.

    Raises
    ------
    PotentialError
        As `mace_from_potential`; or if there are several heads and `head` names none of them.
    """
    heads = potential.metadata.heads
    if head not in heads and (head or len(heads) > 1):
        raise PotentialError(f'The potential has the heads {", ".join(heads)}; choose one.')
    model = mace_from_potential(potential, device=device, dtype=dtype)
    base = checked(with_scalar_path(mace_parts()['calculator']), potential.metadata)
    engine: Calculator = base(
        models=[model], device=device, default_dtype=dtype, head=head or heads[0]
    )
    return engine


def mace_parts() -> dict[str, Any]:
    """Import what is needed of MACE; mace comes before e3nn, which it prepares torch for."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        modules = importlib.import_module('mace.modules')
        return {
            'modules': modules,
            'config': importlib.import_module('mace.tools.scripts_utils').extract_config_mace_model,
            'scripts': importlib.import_module('mace.tools.scripts_utils'),
            'calculator': importlib.import_module('mace.calculators').MACECalculator,
            'data': importlib.import_module('mace.data'),
            'tools': importlib.import_module('mace.tools'),
            'irreps': importlib.import_module('e3nn.o3').Irreps,
            'torch': importlib.import_module('torch'),
        }


@contextlib.contextmanager
def building(torch: Any, dtype: str) -> Iterator[None]:
    """Set torch's default type, keep its random numbers and silence its advice, for a while.

    e3nn compiles the code it writes by TorchScript, which takes longer than building all the rest
    and was measured to save nothing later: left out, with the same numbers to the last bit.
    """
    e3nn = importlib.import_module('e3nn')
    options = dict(e3nn.get_optimization_defaults())
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    e3nn.set_optimization_defaults(jit_script_fx=False)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        torch.set_default_dtype(before)
        e3nn.set_optimization_defaults(**options)


def _plain(value: Any) -> Any:
    """Write one hyperparameter as JSON: classes and functions by name, irreps as text."""
    if isinstance(value, type):
        return value.__name__
    if callable(value) and hasattr(value, '__name__'):
        return value.__name__ if value.__name__ in GATES else repr(value)
    if type(value).__name__ == 'Irreps':
        return str(value)
    if type(value).__name__ in ('ndarray', 'Tensor'):
        return value.tolist()
    return value


def _build(described: Mapping[str, Any], *, dtype: str) -> Any:
    mace = mace_parts()
    modules, irreps = mace['modules'], mace['irreps']
    given = dict(described['hyperparameters'])
    for name in ('interaction_cls', 'interaction_cls_first'):
        given[name] = modules.interaction_classes[given[name]]
    given['readout_cls'] = modules.readout_classes[given['readout_cls']]
    given['gate'] = modules.gate_dict[str(given['gate'])]
    for name in ('hidden_irreps', 'MLP_irreps', 'edge_irreps'):
        given[name] = None if given[name] is None else irreps(given[name])
    energies = described['isolated_atom_energies']
    with building(mace['torch'], dtype):
        return getattr(modules, described['model_class'])(
            **given,
            r_max=described['cutoff'],
            num_elements=len(described['elements']),
            atomic_numbers=[atomic_numbers[symbol] for symbol in described['elements']],
            atomic_energies=np.array(
                [[energies[h][e] for e in described['elements']] for h in described['heads']]
            ),
            heads=list(described['heads']),
        )


def _copy_weights(model: Any, rebuilt: Any) -> None:
    """Copy weights; models of older MACE versions may lack constant buffers of newer ones."""
    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    wanted = rebuilt.state_dict()
    parameters = {name for name, _ in rebuilt.named_parameters()}
    odd = sorted((set(state) - set(wanted)) | (parameters - set(state)))
    if odd:
        raise PotentialError(
            format_error(
                f'The model rebuilt from its hyperparameters differs in {", ".join(odd[:5])}.',
                reason='It has a part that this program does not know.',
            )
        )
    for name, tensor in state.items():
        if tensor.numel() != wanted[name].numel():
            raise PotentialError(f'{name} has another size in the model rebuilt.')
        wanted[name] = tensor.reshape(wanted[name].shape)
    rebuilt.load_state_dict(wanted, strict=True)


def _check_same(model: Any, rebuilt: Any, *, tolerance: float) -> None:
    _compare(
        _predict(model),
        _predict(rebuilt),
        tolerance=tolerance,
        what='rebuilt from its hyperparameters',
    )


def _compare(
    here: Mapping[str, Any], there: Mapping[str, Any], *, tolerance: float, what: str
) -> None:
    for name, value in here.items():
        difference = np.abs(value - there[name]).max() / max(1.0, float(np.abs(value).max()))
        if not difference <= tolerance:
            raise PotentialError(
                format_error(
                    f'The {name} of the model {what} is off by {difference:.1e} (relative).',
                    reason='The model has a part that this program does not know.',
                )
            )


def _predict(model: Any) -> dict[str, Any]:
    """Energies, forces and stress of a row of all elements, 2 Å apart and shaken."""
    mace = mace_parts()
    numbers = [int(z) for z in model.atomic_numbers]
    heads = list(getattr(model, 'heads', ['Default']))
    atoms = row_of_elements(numbers)
    first = next(model.parameters())
    found: dict[str, Any] = {}
    with building(mace['torch'], str(first.dtype).removeprefix('torch.')):
        for head in heads:
            graph = mace['data'].AtomicData.from_config(
                mace['data'].config_from_atoms(atoms, head_name=head),
                z_table=mace['tools'].AtomicNumberTable(numbers),
                cutoff=float(model.r_max),
                heads=heads,
            )
            batch = mace['tools'].torch_geometric.Batch.from_data_list([graph]).to(first.device)
            out = model(batch.to_dict(), compute_stress=True)
            for key in ('energy', 'forces', 'stress'):
                found[f'{key} ({head})'] = out[key].detach().cpu().numpy()
    return found


def _to_bytes(model: Any) -> bytes:
    safetensors = importlib.import_module('safetensors.torch')
    state = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    return bytes(safetensors.save(state))


def _check_consistent(model: Any, metadata: PotentialMetadata) -> None:
    """Compare what metadata and weights both say; float32 holds some seven digits."""
    energies = [
        [metadata.isolated_atom_energies[h][e] for e in metadata.elements] for h in metadata.heads
    ]
    for name, said, held in (
        ('cutoff', metadata.cutoff, model.r_max),
        ('elements', [atomic_numbers[e] for e in metadata.elements], model.atomic_numbers),
        ('isolated_atom_energies', energies, model.atomic_energies_fn.atomic_energies),
    ):
        if not np.allclose(np.asarray(said), held.detach().cpu().numpy(), rtol=1e-6, atol=1e-6):
            raise PotentialError(f'`{name}` differs between the metadata and the weights.')
