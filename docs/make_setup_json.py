"""Write ``setup.json`` from ``pyproject.toml``.

The AiiDA registry reads a plugin's metadata and entry points from ``setup.json``. The file is made
here and never edited by hand: ``python docs/make_setup_json.py``.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r"^__version__ = '([^']+)'$", re.MULTILINE)


def setup_json(root: Path = ROOT) -> dict[str, Any]:
    """Metadata of the project in the keys of setuptools' `setup`."""
    with (root / 'pyproject.toml').open('rb') as handle:
        project = tomllib.load(handle)['project']
    groups = dict(project.get('entry-points', {}))
    groups['console_scripts'] = project.get('scripts', {})
    return {
        'name': project['name'],
        'version': read_version(root),
        'description': project['description'],
        'author': ', '.join(author['name'] for author in project['authors']),
        'license': project['license'],
        'keywords': project['keywords'],
        'classifiers': project['classifiers'],
        'python_requires': project['requires-python'],
        'install_requires': project['dependencies'],
        'extras_require': project['optional-dependencies'],
        'entry_points': {
            group: [f'{name} = {target}' for name, target in entries.items()]
            for group, entries in sorted(groups.items())
        },
    }


def read_version(root: Path = ROOT) -> str:
    """Read the version from the package without importing it."""
    match = _VERSION.search((root / 'aiida_insbench' / '__init__.py').read_text(encoding='utf-8'))
    if match is None:
        sys.exit('aiida_insbench/__init__.py holds no __version__.')
    return match.group(1)


def setup_json_text(root: Path = ROOT) -> str:
    """Text of the file."""
    return json.dumps(setup_json(root), indent=2, ensure_ascii=False) + '\n'


if __name__ == '__main__':
    (ROOT / 'setup.json').write_text(setup_json_text(), encoding='utf-8')
