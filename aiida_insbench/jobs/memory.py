"""Signs that a child process ran out of memory."""

from __future__ import annotations

import re
from pathlib import Path

#: Where Linux counts processes it killed for want of memory: the control group, then the machine.
_COUNTERS = (Path('/sys/fs/cgroup/memory.events'), Path('/proc/vmstat'))
_WORDS = re.compile(
    r'OutOfMemoryError|out of memory|can.t allocate memory|Cannot allocate memory|bad_alloc'
    r'|^MemoryError|CUBLAS_STATUS_ALLOC_FAILED',
    re.MULTILINE | re.IGNORECASE,
)


def out_of_memory_kills() -> int:
    """Count the processes killed so far for want of memory; 0 where nothing counts them."""
    total = 0
    for path in _COUNTERS:
        try:
            text = path.read_text(encoding='ascii')
        except OSError:
            continue
        total += sum(int(number) for number in re.findall(r'^oom_kill (\d+)$', text, re.MULTILINE))
    return total


def speaks_of_memory(text: str) -> bool:
    """Whether a program's last words blame memory."""
    return _WORDS.search(text) is not None
