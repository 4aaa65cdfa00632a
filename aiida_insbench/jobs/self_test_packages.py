"""Child program of the self-test: import the packages of a job, say what is there.

Writes one JSON object a line to the file named as its argument: ``importing`` before a package is
imported, so that the line is there if that ends the process; then ``package``, ``version`` or
``error``, ``wanted``; last ``threads`` and ``gpu`` as torch sees them.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import IO, Any

#: Distribution to module of what ``requirements-job.txt`` lists; mace comes before e3nn.
PACKAGES = {
    'numpy': 'numpy',
    'scipy': 'scipy',
    'h5py': 'h5py',
    'pyyaml': 'yaml',
    'safetensors': 'safetensors.numpy',
    'ase': 'ase',
    'periodictable': 'periodictable',
    'symfc': 'symfc',
    'phonopy': 'phonopy',
    'euphonic': 'euphonic',
    'resins': 'resins',
    'torch': 'torch',
    'mace-torch': 'mace.calculators',
}


def main(path: str) -> None:
    """Write what is found to `path`."""
    ranges = _ranges()
    with Path(path).open('w', encoding='utf-8') as handle:
        warnings.simplefilter('ignore')
        for name, module in PACKAGES.items():
            _say(handle, {'importing': name})
            _say(handle, _found(name, module, ranges.get(name, '')))
        if 'torch' in sys.modules:
            _say(handle, {'threads': _threads(), 'gpu': _gpu()})


def _found(name: str, module: str, wanted: str) -> dict[str, Any]:
    try:
        importlib.import_module(module)
    except Exception as exc:  # noqa: BLE001 - whatever a broken package raises is its fault
        return {'package': name, 'error': f'{type(exc).__name__}: {exc}', 'wanted': wanted}
    version = metadata.version(name)
    found = {'package': name, 'version': version, 'wanted': wanted}
    return found if _within(version, wanted) else {**found, 'error': f'version {version}'}


def _ranges() -> dict[str, str]:
    """Versions that this package asks for, by distribution; none where it is not installed."""
    try:
        from packaging.requirements import Requirement

        lines = metadata.requires('aiida-insbench') or []
    except (ImportError, metadata.PackageNotFoundError):
        return {}
    asked = [Requirement(line) for line in lines]
    return {one.name.lower(): str(one.specifier) for one in asked if one.marker is None}


def _within(version: str, wanted: str) -> bool:
    if not wanted:
        return True
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _threads() -> dict[str, Any]:
    """Threads that torch takes by itself, and cores that this process may use."""
    torch = importlib.import_module('torch')
    allowed = getattr(os, 'sched_getaffinity', None)
    cores = len(allowed(0)) if allowed else os.cpu_count()
    return {'torch': int(torch.get_num_threads()), 'cores': cores}


def _gpu() -> dict[str, Any]:
    """Names of the GPUs that torch can use; if none, what it was built for and what it says."""
    torch = importlib.import_module('torch')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        present = bool(torch.cuda.is_available())
    count = int(torch.cuda.device_count()) if present else 0
    return {
        'names': [str(torch.cuda.get_device_name(index)) for index in range(count)],
        'built_for': torch.version.cuda or getattr(torch.version, 'hip', None),
        'reason': ' '.join(str(one.message) for one in said),
    }


def _say(handle: IO[str], words: dict[str, Any]) -> None:
    handle.write(json.dumps(words) + '\n')
    handle.flush()


if __name__ == '__main__':
    main(sys.argv[1])
