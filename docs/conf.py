"""Sphinx configuration."""

import re
from pathlib import Path

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
html_theme = 'furo'
html_title = f'aiida-insbench {release}'
