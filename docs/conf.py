"""Sphinx configuration."""

import os
import re
import tempfile
from pathlib import Path

# Specifications of processes are read as of a profile: one of no consequence, and no user's.
os.environ['AIIDA_PATH'] = tempfile.mkdtemp(prefix='insbench-docs-')

from aiida import load_profile
from aiida.manage.configuration import get_config
from aiida.storage.sqlite_temp import SqliteTempBackend

get_config(create=True)
load_profile(SqliteTempBackend.create_profile('docs'), allow_switch=True)

project = 'aiida-insbench'
author = 'The aiida-insbench developers'
copyright = '2026, The aiida-insbench developers'  # noqa: A001 - Sphinx's own name
release = re.findall(
    r"__version__ = '([^']+)'",
    (Path(__file__).parents[1] / 'aiida_insbench' / '__init__.py').read_text(encoding='utf-8'),
)[0]

extensions = ['myst_parser', 'sphinx.ext.mathjax', 'aiida.sphinxext', 'sphinx_click']
myst_enable_extensions = ['dollarmath', 'amsmath', 'colon_fence', 'deflist']
myst_heading_anchors = 3
exclude_patterns = ['_build']
# two hyphens before an option stay two hyphens
smartquotes_action = 'qe'
html_theme = 'furo'
html_title = f'aiida-insbench {release}'
