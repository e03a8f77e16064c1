"""One attempt to load a version, in a thread of its own, so that whatever it does or does not do stops no request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from peprank.errors import ArtifactError, PeprankError
from peprank.serve.files import Found
from peprank.serve.model import ServedModel

_log = logging.getLogger(__name__)

Load: TypeAlias = Callable[[Path, str, str], ServedModel]  # bundle, name, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    model: ServedModel | None = None
    reason: str = ""  # why there is none
    is_unsettled: bool = False  # the files changed meanwhile


class Loading:
    """One attempt.

    Args:
        load: makes a model of a bundle, see `model.load`; may raise anything.
        name: of the model.
        number: of the version.
        found: the bundle.
        done: called once, from another thread, with the outcome.
    """

    def __init__(self, load: Load, name: str, number: int, found: Found, done: Callable[[Outcome], None]) -> None:
        self._load, self._name, self._version, self._found = load, name, str(number), found
        self._done: Callable[[Outcome], None] | None = done
        self._lock = threading.Lock()

    def start(self, timeout_s: float) -> None:
        """Begin, and return at once. What takes longer than `timeout_s` has failed; its result is thrown away."""
        late = Outcome(reason=f"took longer than {timeout_s:g} s to load")
        timer = threading.Timer(timeout_s, self._end, [late])
        timer.daemon = True
        timer.start()
        threading.Thread(target=self._run, args=[timer], daemon=True).start()

    def _run(self, timer: threading.Timer) -> None:
        outcome = self._outcome()
        timer.cancel()
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """Hand over the first outcome of the two that there may be."""
        with self._lock:
            done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def _outcome(self) -> Outcome:
        try:
            model = self._loaded()
        except BaseException as error:  # whatever it is, this thread ends here and the server goes on
            if not isinstance(error, PeprankError):
                _log.warning("model '%s' version %s: loading raised", self._name, self._version, exc_info=error)
            return Outcome(reason=self._reason(error), is_unsettled=self._found.has_changed())
        if self._found.has_changed():
            return Outcome(reason="its files changed while they were loaded", is_unsettled=True)
        return Outcome(model=model)

    def _loaded(self) -> ServedModel:
        if self._found.fault:
            raise ArtifactError(self._found.fault)
        return self._load(self._found.path, self._name, self._version)

    def _reason(self, error: BaseException) -> str:
        """What went wrong, without the place in this machine's file system."""
        text = str(error) if isinstance(error, PeprankError) else f"{type(error).__name__}: {error}"
        return text.replace(f"{self._found.path}/", "").replace(f"{self._found.path}: ", "")
