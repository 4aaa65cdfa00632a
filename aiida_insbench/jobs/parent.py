"""A child process that does not outlive the one that started it, in whatever way that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

#: prctl(2): a signal for the child when the parent ends.
_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """End this process when its parent is gone, even in a long computation.

    Linux kills it at once: strictly, when the thread ends that started it, which should wait for
    it. Other systems tell a child nothing, so that it looks every second.

    Parameters
    ----------
    parent : int
        Process id of the one that started this.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before it could be watched
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
