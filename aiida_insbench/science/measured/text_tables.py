"""Tables of numbers in text: comments, headers, blocks, and lines that are not as the others.

A block begins where a number stands alone on its line (Mantid's number of a spectrum), where a
header or title comes after data, or where energies start again after a comment or an empty line.
A number alone at the end of a block is the upper edge of its last bin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.column_headers import Column, find_columns
from aiida_insbench.science.measured.number_fields import Layout, find_layout
from aiida_insbench.science.measured.text_files import TextFile

_COMMENT = re.compile(r'^\s*(?:[#!%;]+|//|[Cc](?=\s|$))\s*')
_TRAILING = re.compile(r'\s[#!].*$')


@dataclass
class Line:
    """A line of a table: numbers, or a comment or other text."""

    number: int
    text: str
    values: list[float] | None = None
    is_comment: bool = False


@dataclass
class TextBlock:
    """Rows of one block with their lines, what its header says, and an upper edge if it has one."""

    rows: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    columns: tuple[Column, ...] = ()
    number: int | None = None
    title: str = ''
    edge: float | None = None


@dataclass
class TextTable:
    """All blocks of a file, its comments, its first line of text, its layout."""

    blocks: list[TextBlock]
    remarks: list[str]
    title: str
    layout: Layout


def read_table(file: TextFile) -> TextTable:
    """Read the blocks of a file.

    Raises
    ------
    InputError
        If there are no numbers, a line is neither numbers nor comment, the number of columns
        changes, or the last line is cut; names file and line.
    """
    layout = find_layout(file.lines)
    lines = [_line(number, text, layout) for number, text in enumerate(file.lines, start=1)]
    _shorten_numbers_of_spectra(lines, layout.separator)
    if not any(line.values is not None and len(line.values) > 1 for line in lines):
        raise InputError(
            format_error(
                f'{file.name} is text, but no line of it holds two numbers.',
                fix='Give columns of energy, intensity and error.',
            )
        )
    return _Reader(file.name, lines, layout).read()


def _shorten_numbers_of_spectra(lines: Sequence[Line], separator: str) -> None:
    """Keep only the number of a spectrum where Mantid wrote its Q or angle beside it.

    Mantid puts blanks around the separators of such a line, not around those of data.
    """
    spaced = f' {separator} '
    data = [line for line in lines if line.values is not None]
    some = [line for line in data if separator and spaced in line.text]
    if len(some) * 10 <= len(data):
        for line in some:
            if line.text.split(separator)[0].strip().isdigit() and line.values:
                line.values, line.text = line.values[:1], line.text.split(separator)[0].strip()


def _line(number: int, text: str, layout: Layout) -> Line:
    match = _COMMENT.match(text)
    if match:
        return Line(number, text[match.end() :].strip(), is_comment=True)
    bare = _TRAILING.sub('', text).strip()
    return Line(number, bare, layout.numbers(bare) if bare else None)


class _Reader:
    """Walks over the lines once; `current` is the block being filled."""

    def __init__(self, name: str, lines: Sequence[Line], layout: Layout) -> None:
        self.name = name
        self.lines = lines
        self.layout = layout
        self.blocks: list[TextBlock] = []
        self.current = TextBlock()
        self.remarks: list[str] = []
        self.header: tuple[Column, ...] = ()
        self.title = ''
        self.gap = False  # whether a comment or empty line came after the last row

    def read(self) -> TextTable:
        for index, line in enumerate(self.lines):
            if line.values is None:
                self._text(index)
            elif len(line.values) == 1:
                self._single(index, line.values[0])
            else:
                self._row(line, line.values)
        self._close()
        return TextTable(self.blocks, self.remarks, self.title, self.layout)

    def _text(self, index: int) -> None:
        line = self.lines[index]
        self.gap = True
        if not line.text:
            return
        columns = find_columns(
            line.text, count=self._width_after(index), separator=self.layout.separator
        )
        if columns:
            self._close()
            self.header = self.current.columns = columns
        elif line.is_comment:
            self.remarks.append(line.text)
        elif not self.blocks and not self.current.rows:
            self.title = self.title or line.text
            self.remarks.append(line.text)
        elif self._is_title(index):
            self._close()
            self.current.title = line.text
        else:
            raise InputError(
                format_error(
                    f'{self.name}, line {line.number}: {line.text[:40]!r} is neither numbers nor a '
                    'comment.',
                    fix='Correct it, or put # in front of it.',
                )
            )

    def _single(self, index: int, value: float) -> None:
        """A number of a spectrum, or the upper edge of the last bin."""
        line, after = self.lines[index], self._next(index)
        starts_block = after is not None and after.values is not None and len(after.values) > 1
        if starts_block and value.is_integer() and '.' not in line.text:
            self._close()
            self.current.number = int(value)
        elif self._may_be_edge(value) and not starts_block:
            self.current.edge = value
        else:
            self._wrong_width(line, 1)

    def _may_be_edge(self, value: float) -> bool:
        """Whether it comes after the last energy by about as much as that after the one before."""
        rows = self.current.rows
        if self.current.edge is not None or len(rows) < 2:
            return False
        step = rows[-1][0] - rows[-2][0]
        return step != 0 and 0.3 < (value - rows[-1][0]) / step < 3

    def _row(self, line: Line, values: list[float]) -> None:
        block = self.current
        if block.edge is not None or (self.gap and self._starts_again(values[0])):
            self._close()
            block = self.current
        if block.rows and len(values) != len(block.rows[0]):
            self._wrong_width(line, len(values))
        block.rows.append(values)
        block.lines.append(line.number)
        self.gap = False

    def _starts_again(self, energy: float) -> bool:
        rows = self.current.rows
        if len(rows) < 2:
            return False
        rising = rows[1][0] > rows[0][0]
        return energy <= rows[0][0] if rising else energy >= rows[0][0]

    def _wrong_width(self, line: Line, count: int) -> None:
        rows = self.current.rows
        usual = len(rows[0]) if rows else 2
        last = not any(other.values for other in self.lines[line.number :])
        if last and count < usual:
            raise InputError(
                format_error(
                    f'{self.name}, line {line.number}: the last line is cut, it has {count} of '
                    f'{usual} columns.',
                    fix='Copy or download the file again, or remove the line.',
                )
            )
        raise InputError(
            format_error(
                f'{self.name}, line {line.number} has {count} columns, the lines before '
                f'it {usual}.',
                fix='Give each line of a block the same columns.',
            )
        )

    def _is_title(self, index: int) -> bool:
        """Whether a header or a number of a spectrum follows: then this is a block's title."""
        after = self.lines[index + 1] if index + 1 < len(self.lines) else None
        if after is None or not after.text:
            return False
        return after.is_comment or (after.values is not None and len(after.values) == 1)

    def _next(self, index: int) -> Line | None:
        later = (line for line in self.lines[index + 1 :] if line.text and not line.is_comment)
        return next(later, None)

    def _width_after(self, index: int) -> int:
        for line in self.lines[index + 1 :]:
            if line.values is not None and len(line.values) > 1:
                return len(line.values)
        return 0

    def _close(self) -> None:
        if self.current.rows:
            self.blocks.append(self.current)
            self.current = TextBlock(columns=self.header)
        self.gap = False
