"""Potentials of the flavour ``ase``: calculators of other packages, by name and arguments.

A potential names one calculator of a list and gives arguments that are checked one by one; its
weights, if it has any, are those of the package, whose version is part of the potential. Nothing
read from a file is imported or evaluated. Energies eV, forces eV/Å, stress eV/Å³.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata as installed
from typing import TYPE_CHECKING, Any

from ase.data import chemical_symbols

from aiida_insbench.science.checked_calculators import checked
from aiida_insbench.science.errors import PotentialError, format_error

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from aiida_insbench.science.potential_files import Potential, PotentialMetadata

#: A name of published weights; no path, for files of weights are pickles.
_NAME = re.compile(r'^[A-Za-z0-9][A-Za-z0-9.\-]{0,40}$')

_Check = Callable[[Any], bool]
_Make = Callable[[type[Any], Mapping[str, Any], str], Any]


@dataclass(frozen=True)
class AseCalculator:
    """A calculator that potentials may name.

    Attributes
    ----------
    package : str
        What to install.
    path : str
        Module and class.
    elements : tuple of str
        Those it knows.
    cutoff : callable
        Arguments to the range of its interactions in Å.
    dtype : str
        Precision it computes in.
    arguments : dict
        Name to default and check of each argument.
    make : callable
        Class, arguments and device to a calculator.
    on_gpu : bool
        Whether it can compute there.
    provenance : dict
        DFT level and licence of its weights.
    """

    package: str
    path: str
    elements: tuple[str, ...]
    cutoff: Callable[[Mapping[str, Any]], float]
    dtype: str
    arguments: dict[str, tuple[Any, _Check]]
    make: _Make
    on_gpu: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)


def _name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.match(value) is not None


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _from_arguments(cls: type[Any], arguments: Mapping[str, Any], _device: str) -> Any:
    return cls(**arguments)


def _chgnet(cls: type[Any], arguments: Mapping[str, Any], device: str) -> Any:
    model = importlib.import_module('chgnet.model').CHGNet.load(
        model_name=arguments['model_name'], use_device=device, verbose=False
    )
    return cls(model=model, use_device=device, on_isolated_atoms='error')


def _sevenn(cls: type[Any], arguments: Mapping[str, Any], device: str) -> Any:
    return cls(model=arguments['model'], device=device)


_UP_TO_PU = tuple(chemical_symbols[1:95])
#: Elements of the Materials Project trajectories: no Po, At, Rn, Fr, Ra.
_MPTRJ = tuple(chemical_symbols[1:84] + chemical_symbols[89:95])

CALCULATORS: dict[str, AseCalculator] = {
    'chgnet': AseCalculator(
        package='chgnet',
        path='chgnet.model.dynamics:CHGNetCalculator',
        elements=_MPTRJ,
        cutoff=lambda _arguments: 6.0,
        dtype='float32',
        arguments={'model_name': ('0.3.0', _name)},
        make=_chgnet,
        on_gpu=True,
        provenance={
            'dft_level': {'functional': 'PBE+U', 'training_set': 'MPtrj'},
            'licence': 'BSD-3-Clause',
        },
    ),
    'sevenn': AseCalculator(
        package='sevenn',
        path='sevenn.calculator:SevenNetCalculator',
        elements=_MPTRJ,
        cutoff=lambda _arguments: 5.0,
        dtype='float32',
        arguments={'model': ('7net-0', _name)},
        make=_sevenn,
        on_gpu=True,
        provenance={
            'dft_level': {'functional': 'PBE+U', 'training_set': 'MPtrj'},
            'licence': 'MIT',
        },
    ),
    'emt': AseCalculator(
        package='ase',
        path='ase.calculators.emt:EMT',
        elements=('Al', 'Ni', 'Cu', 'Pd', 'Ag', 'Pt', 'Au'),
        cutoff=lambda _arguments: 6.5,
        dtype='float64',
        arguments={},
        make=_from_arguments,
        provenance={'licence': 'LGPL-2.1-or-later'},
    ),
    'lj': AseCalculator(
        package='ase',
        path='ase.calculators.lj:LennardJones',
        elements=_UP_TO_PU,
        cutoff=lambda arguments: float(arguments['rc']),
        dtype='float64',
        arguments={
            'sigma': (3.4, _positive),
            'epsilon': (0.0104, _positive),
            'rc': (10.0, _positive),
            'smooth': (True, lambda value: isinstance(value, bool)),
        },
        make=_from_arguments,
        provenance={'licence': 'LGPL-2.1-or-later'},
    ),
}


def check_arguments(name: str, given: object) -> dict[str, Any]:
    """Check the arguments of a calculator and fill in defaults.

    Raises
    ------
    PotentialError
        Naming the first that is unknown or not allowed.
    """
    if not isinstance(given, Mapping):
        raise PotentialError(f'The arguments of {name} are {given!r}; give a dictionary.')
    known = calculator_named(name).arguments
    odd = sorted(set(map(str, given)) - set(known))
    if odd:
        raise PotentialError(
            f'{name} has no argument {", ".join(odd)}; known: {", ".join(known) or "none"}.'
        )
    arguments = {key: given.get(key, default) for key, (default, _) in known.items()}
    for key, (default, allowed) in known.items():
        if not allowed(arguments[key]):
            raise PotentialError(
                f'Argument {key} of {name} is {arguments[key]!r}; give a value such as {default!r}.'
            )
    return arguments


def calculator_named(name: str) -> AseCalculator:
    """Look up a calculator; raises `PotentialError` naming those that are known."""
    if name not in CALCULATORS:
        raise PotentialError(
            f'{name!r} is not on the list of calculators: {", ".join(CALCULATORS)}.'
        )
    return CALCULATORS[name]


def potential_from_ase(
    name: str, arguments: Mapping[str, Any] | None = None, *, package_version: str = ''
) -> Potential:
    """Make a potential that stands for a calculator of another package.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.
    arguments : mapping, optional
        Arguments of the calculator; what is left out has its default.
    package_version : str
        Version of the package where the potential will run; by default that installed here.

    Returns
    -------
    Potential
        With no weights: those of the package.

    Raises
    ------
    PotentialError
        If the name or an argument is not allowed, or the package is not installed here and no
        version was given.
    """
    import safetensors.numpy

    from aiida_insbench.science.potential_files import Potential, metadata_with_weights

    known = calculator_named(name)
    checked_arguments = check_arguments(name, arguments or {})
    version = package_version or _installed_version(known.package)
    weights = safetensors.numpy.save({})
    metadata = metadata_with_weights(
        {
            'flavour': 'ase',
            'model_class': name,
            'hyperparameters': checked_arguments,
            'elements': known.elements,
            'cutoff': known.cutoff(checked_arguments),
            'heads': ('Default',),
            'isolated_atom_energies': {},
            'dtype': known.dtype,
            'provenance': {
                **known.provenance,
                'source': {'package': known.package, 'version': version},
            },
            'versions': {known.package: version},
        },
        weights,
    )
    return Potential(metadata, weights)


def ase_calculator(potential: Potential, *, device: str = 'cpu', head: str = '') -> Calculator:
    """Make the calculator of a potential of the flavour ``ase``, in its own precision.

    Parameters
    ----------
    potential : Potential
        As read by `read_potential`.
    device : str
        ``cpu`` or ``cuda``.
    head : str
        Empty, or that of the potential.

    Raises
    ------
    PotentialError
        If the package is not installed or of another version than the potential names, the
        calculator cannot use the device, or has no such head.
    """
    described = potential.metadata
    known = calculator_named(described.model_class)
    if head not in ('', *described.heads):
        raise PotentialError(f'The potential has the head {described.heads[0]} only.')
    if device != 'cpu' and not known.on_gpu:
        raise PotentialError(f'{described.model_class} cannot compute on {device}; choose cpu.')
    _check_version(described, known)
    module, _, attribute = known.path.partition(':')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            base = getattr(importlib.import_module(module), attribute)
        except ImportError as exc:
            raise PotentialError(
                f'{known.package} is installed but cannot be imported: {exc}.'
            ) from exc
        engine: Calculator = known.make(checked(base, described), described.hyperparameters, device)
    return engine


def _check_version(described: PotentialMetadata, known: AseCalculator) -> None:
    wanted = described.versions.get(known.package)
    if _installed_version(known.package) != wanted:
        raise PotentialError(
            format_error(
                f'The potential is that of {known.package} {wanted}; here is '
                f'{_installed_version(known.package)}.',
                reason='Another version can bring other weights.',
                fix=f'Install {known.package}=={wanted}, or make the potential anew.',
            )
        )


def _installed_version(package: str) -> str:
    try:
        return installed.version(package)
    except installed.PackageNotFoundError as exc:
        raise PotentialError(
            format_error(
                f'{package} is not installed here.',
                fix=f'Install it where the potential runs (pip install {package}); to name a '
                'potential of a package that is elsewhere, give its version.',
            )
        ) from exc
