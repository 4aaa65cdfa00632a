"""Write the table of bad inputs into the documentation."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from table import as_markdown  # noqa: E402 - the line above makes it known

if __name__ == '__main__':
    page = HERE.parents[1] / 'docs' / 'topics' / 'bad_inputs.md'
    page.write_text(as_markdown(), encoding='utf-8')
