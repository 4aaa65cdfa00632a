"""Pseudopotentials that Debian's package of Quantum ESPRESSO brings."""

from pathlib import Path

import pytest

from aiida_insbench.cli.site import PSEUDO_FOLDERS

DEBIAN = Path(PSEUDO_FOLDERS[0])


def needs_files(*names):
    """Mark of tests that are skipped where one of these files is not there."""
    return pytest.mark.skipif(
        not all((DEBIAN / name).is_file() for name in names),
        reason='quantum-espresso-data is not installed',
    )
