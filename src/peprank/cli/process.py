"""How a process of ours waits and keeps memory; the command line sets it, a library must not."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import threading

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # glibc's names for mallopt, <malloc.h>
_NEVER = 2**31 - 1
_FORCED = 3  # exit code


def settle() -> None:
    """Let idle threads wait briefly, and keep freed memory. Takes effect if torch is not imported yet.

    Threads that wait for the next layer spin, by default long enough to take a core from whatever else runs here. 120
    steps of the demo on 2 cores, alone / beside one busy process: default 15.6 / 31.7 s, this 16.6 / 22.1 s, no
    spinning 25.0 / 17.8 s (2026-11-21). Read by GNU's OpenMP when torch is first imported.

    Glibc gives large blocks back to the kernel, which then clears each page once more for the next layer: 80,000 page
    faults and a tenth of the time of a step of 8192 rows (2026-11-21). Kept, the peak is the same. One pool for all
    threads lets a thread take what another has freed: 75 MB and a twentieth of the time of such a step (2026-11-22).
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # other C libraries have none
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_ARENA_MAX, 1)


def end_within(seconds: float) -> None:
    """End by force what still runs after so many seconds, as Python waits for its threads however long they take."""
    timer = threading.Timer(seconds, _end_by_force, [seconds])
    timer.daemon = True
    timer.start()


def _end_by_force(seconds: float) -> None:
    faulthandler.dump_traceback()
    hanging = ", ".join(thread.name for thread in threading.enumerate() if not thread.daemon)
    os.write(2, f"peprank: ended by force {seconds:g} s after it was told to end; see above for {hanging}\n".encode())
    os._exit(_FORCED)
