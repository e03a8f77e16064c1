"""Ctrl-C and SIGTERM during training wait for a moment at which the weights are whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Deferred:
    """Within the block SIGINT and SIGTERM are only noted; `deliver` hands one on to whoever handled it before.

    A second signal is handed on at once, for a run that does not come to a safe moment. Outside the main thread,
    where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._noted: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def is_pending(self) -> bool:
        """Whether a signal waits."""
        return self._noted is not None

    def deliver(self) -> None:
        """Hand the noted signal on, if there is one: mostly KeyboardInterrupt or SystemExit comes of it."""
        if self._noted is not None:
            number, self._noted = self._noted, None
            self._restore()
            signal.raise_signal(number)

    def __enter__(self) -> Deferred:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        if kind is None:
            self.deliver()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        is_second, self._noted = self.is_pending, number
        if is_second:
            self.deliver()
