"""A look into ten steps of a run: `is_profiling`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch._C._profiler import _ExperimentalConfig  # torch has no public name for it
from torch.profiler import profile, schedule

_WAIT, _WARMUP, _STEPS = 5, 5, 10  # steps before, steps whose figures are thrown away, steps recorded


@contextmanager
def profiled_steps(path: Path | None) -> Iterator[Callable[[], None]]:
    """Give a function to call after each step; it records steps 11 to 20 as a trace for chrome://tracing.

    Args:
        path: file of the trace; None: nothing is recorded.
    """
    if path is None:
        yield lambda: None
        return
    plan = schedule(wait=_WAIT, warmup=_WARMUP, active=_STEPS, repeat=1)
    with profile(
        schedule=plan,
        on_trace_ready=lambda trace: trace.export_chrome_trace(str(path)),
        experimental_config=_ExperimentalConfig(profile_all_threads=True),  # parts of a batch have threads of their own
    ) as profiler:
        yield profiler.step
