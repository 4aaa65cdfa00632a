"""Files as accidents and strangers make them: cut, doubled, with odd numbers and odd letters.

Every change is drawn from a seeded `random.Random`, so that a case can be made again.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml

#: What stands where a number should.
NUMBERS = (
    'nan', 'inf', '-inf', '1e999', '-1', '0', '-0.0', '1e-320', '99999999999999999999', '1' * 5000,
    '1e308', '0x10', '1,5', '١٢', '', '1e', '--1', '1/2', '*****', '2147483648', 'true', 'null',
    '1_000', '1e5', '1000000', '3.5',
)  # fmt: skip
#: What text should survive.
LETTERS = (
    '\ufeff', '\x00', 'é', '😀', '\u202e', '\u2028', '\x1b[31m', '\r', '\t', "'", '"', '`', '\\',
    '<script>', '${HOME}', '../', '%s%n', '{', '}', '[' * 3000, ':', '&a *a', '!!python/none', '#',
)  # fmt: skip
#: What stands where another kind of value should.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2.5, -0.5, 1e308, 10**30, 2**31, '', 'x', '../x', 'é', [], {},
    [[]], [1], [1, 2, 3], ['x'], {'x': 1}, [[1, 0, 0], [0, 1, 0], [0, 0, 0]], 'p_0000', 1e-300,
    '1e999', [None], 100000,
)  # fmt: skip
_NUMBER = re.compile(r'[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?')

Mutation = Callable[[random.Random, bytes], bytes]


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    """Up to 16 bits flipped."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 16) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: random.Random, data: bytes) -> bytes:
    """The end is missing, as after a broken copy."""
    return data[: rng.randrange(len(data) + 1)]


def drop_part(rng: random.Random, data: bytes) -> bytes:
    """A part is missing."""
    start, end = _part(rng, data)
    return data[:start] + data[end:]


def double_part(rng: random.Random, data: bytes) -> bytes:
    """A part stands twice."""
    start, end = _part(rng, data)
    return data[:end] + data[start:]


def clear_part(rng: random.Random, data: bytes) -> bytes:
    """A part is zero, as after a crash of the file system."""
    start, end = _part(rng, data)
    return data[:start] + bytes(end - start) + data[end:]


def insert_bytes(rng: random.Random, data: bytes) -> bytes:
    """Random bytes in the middle."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.randint(1, 64)) + data[place:]


def set_length_field(rng: random.Random, data: bytes) -> bytes:
    """Eight bytes become a large number, as lengths and offsets of binary files are written."""
    if len(data) < 8:
        return data
    place = rng.randrange(len(data) - 7)
    number = rng.choice((2**63 - 1, 2**40, 2**32 - 1, 2**31, 0))
    return data[:place] + number.to_bytes(8, 'little') + data[place + 8 :]


def drop_line(rng: random.Random, data: bytes) -> bytes:
    """One to three lines are missing."""
    lines = data.split(b'\n')
    for _ in range(rng.randint(1, 3)):
        if lines:
            del lines[rng.randrange(len(lines))]
    return b'\n'.join(lines)


def double_line(rng: random.Random, data: bytes) -> bytes:
    """A line stands twice, or many times."""
    lines = data.split(b'\n')
    place = rng.randrange(len(lines))
    lines[place:place] = [lines[place]] * rng.choice((1, 1, 2, 300))
    return b'\n'.join(lines)


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    """Two lines have changed places."""
    lines = data.split(b'\n')
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b'\n'.join(lines)


def odd_number(rng: random.Random, data: bytes) -> bytes:
    """One number, or up to five, is another, or is none."""
    text = data.decode('latin-1')
    for _ in range(rng.choice((1, 1, 1, 5))):
        found = list(_NUMBER.finditer(text))
        if not found:
            break
        match = rng.choice(found)
        text = text[: match.start()] + rng.choice(NUMBERS) + text[match.end() :]
    return text.encode('utf-8', 'replace')


def odd_letters(rng: random.Random, data: bytes) -> bytes:
    """Letters that no program writes there."""
    text = data.decode('latin-1')
    place = rng.randrange(len(text) + 1)
    return (text[:place] + rng.choice(LETTERS) + text[place:]).encode('utf-8')


def other_ends(_rng: random.Random, data: bytes) -> bytes:
    """Ends of lines of another system."""
    return data.replace(b'\n', b'\r\n')


def other_encoding(rng: random.Random, data: bytes) -> bytes:
    """Another encoding."""
    text = data.decode('utf-8', 'replace')
    return text.encode(rng.choice(('utf-16', 'utf-8-sig', 'utf-32', 'cp1252')), 'replace')


def other_separators(rng: random.Random, data: bytes) -> bytes:
    """Fields are separated by something else."""
    old, new = rng.choice(((b' ', b','), (b',', b';'), (b',', b'\t'), (b'.', b','), (b' ', b'')))
    return data.replace(old, new)


def odd_value(rng: random.Random, data: bytes) -> bytes:
    """In JSON or YAML: an entry is missing, too many, or of another kind."""
    as_json = data.lstrip()[:1] in (b'{', b'[')
    try:
        content = json.loads(data) if as_json else yaml.safe_load(data)
    except (ValueError, RecursionError, yaml.YAMLError):
        return odd_number(rng, data)
    for _ in range(rng.choice((1, 1, 2))):
        content = _changed(rng, content)
    if as_json:
        return json.dumps(content).encode()
    return yaml.safe_dump(content, allow_unicode=True).encode()


def _changed(rng: random.Random, content: Any) -> Any:
    content = copy.deepcopy(content)
    places = _places(content)
    if not places:
        return rng.choice(VALUES)
    holder, key = rng.choice(places)
    kind = rng.random()
    if kind < 0.2:
        del holder[key]
    elif kind < 0.3 and isinstance(holder, dict):
        holder[f'{key}x'] = holder.pop(key)
    elif kind < 0.4 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind < 0.5 and isinstance(holder[key], int | float):
        holder[key] = holder[key] * rng.choice((-1, 0, 2, 1e6, 1e-6))
    else:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    return content


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every entry of nested dictionaries and lists, as its holder and key."""
    found: list[tuple[Any, Any]] = []
    waiting = [content] if isinstance(content, dict | list) else []
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def _part(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 4, 64, 1024)))


BINARY: tuple[Mutation, ...] = (
    flip_bits, truncate, drop_part, double_part, clear_part, insert_bytes, set_length_field,
)  # fmt: skip
TEXT: tuple[Mutation, ...] = (
    *BINARY, drop_line, double_line, swap_lines, odd_number, odd_number, odd_letters, other_ends,
    other_encoding, other_separators,
)  # fmt: skip
STRUCTURED: tuple[Mutation, ...] = (*TEXT, *[odd_value] * 30)


def mutated(rng: random.Random, data: bytes, mutations: tuple[Mutation, ...]) -> bytes:
    """One to three changes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(mutations)(rng, data)
    return data
