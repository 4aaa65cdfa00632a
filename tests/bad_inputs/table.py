"""The table of bad inputs: all rows, and as the documentation shows them."""

from __future__ import annotations

import table_files
import table_spectra
import table_words
from bad_input import BadInput

ROWS: tuple[BadInput, ...] = (*table_spectra.ROWS, *table_files.ROWS, *table_words.ROWS)


def as_markdown() -> str:
    """Tables by group, for ``docs/topics/bad_inputs.md``."""
    lines = [
        '<!-- Made by `python tests/bad_inputs/write_docs.py`; a test compares. -->',
        '# Bad inputs',
        '',
        'What is given, through which command or job, and what the message says (a part of it).',
        'Each row is a test: the exit code is not 0, there is no traceback, no node is stored and',
        'no file is left but `error.json` and `progress.jsonl` of a job.',
    ]
    for group in dict.fromkeys(row.group for row in ROWS):
        lines += ['', f'## {group}', '', '| given | through | said |', '|---|---|---|']
        lines += [
            f'| {_cell(row.given)} | `{row.through}` | {_cell(row.says)} |'
            for row in ROWS
            if row.group == group
        ]
    return '\n'.join(lines) + '\n'


def _cell(text: str) -> str:
    for letter in '\\`*_<>|[]$':
        text = text.replace(letter, f'\\{letter}')
    return text
