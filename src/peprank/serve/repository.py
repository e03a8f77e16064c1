"""Models by name: versions are loaded beside those that answer, take their place when they are good, and roll back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from peprank.errors import ArtifactError, RequestError
from peprank.serve.files import Folder, Models
from peprank.serve.loading import Load, Loading, Outcome
from peprank.serve.model import ServedModel
from peprank.serve.news import Answers, Listener, News
from peprank.serve.shelf import Shelf, Status, Version
from peprank.serve.shown import shown

_LOAD_TIMEOUT_S = 300.0
_RETRY_AFTER_S = 5
_log = logging.getLogger(__name__)


class Repository:
    """The models of a folder, kept up to date by `poll`; may be used from any thread.

    A version is loaded in a thread of its own. One that fails is refused: what answered before still does, and the
    version is tried again when its files change. It is waited for while they do.

    Args:
        root: a bundle, or models/<name>/<version>/ of bundles.
        load: makes a model of a bundle, see `model.load`.
        name: of the one bundle's model; None: its directory's.
        extras: files that `load` reads besides the bundle, such as item features; when one changes, models are loaded
            anew.
        keep_versions: that many of the highest good versions of a model are held and answer by number.
        load_timeout_s: a version that takes longer is refused.
        listener: metrics, say.

    Raises:
        ArtifactError: `root` is neither a bundle nor a repository.
        SpecError: the name is none that a request could give.
    """

    def __init__(
        self,
        root: Path,
        load: Load,
        *,
        name: str | None = None,
        extras: Sequence[Path] = (),
        keep_versions: int = 1,
        load_timeout_s: float = _LOAD_TIMEOUT_S,
        listener: Listener | None = None,
    ) -> None:
        self._folder = Folder.at(root, name, extras)
        self._load, self._keep, self._timeout_s = load, keep_versions, load_timeout_s
        self._news = News(listener)
        self._shelves: dict[str, Shelf] = {}
        self._answers: Answers = {}  # replaced whole, so that requests need no lock
        self._required: frozenset[str] | None = None  # models of the first look
        self._looking = threading.Lock()  # one look at a time; taken before the other
        self._changed = threading.Condition()  # guards shelves and answers

    # What requests ask

    @contextmanager
    def get(self, name: str, version: str | None = None) -> Iterator[ServedModel]:
        """The model to answer a request with; it stays whole within the block, whatever is loaded meanwhile.

        Args:
            version: None: the highest that answers.

        Raises:
            RequestError: 404 where the name or version is unknown, 503 where the model is known and does not answer.
        """
        yield self._model(name, version)

    def _model(self, name: str, version: str | None) -> ServedModel:
        models = self._answers.get(name, ())
        for model in reversed(models):
            if version in (None, model.version):
                return model
        if name not in self._shelves:
            raise RequestError(f"model {shown(name)} is unknown; GET /v2/models lists the models", status=404)
        if not models:
            raise RequestError(f"model '{name}' is not loaded", status=503, retry_after_s=_RETRY_AFTER_S)
        held = ", ".join(model.version for model in models)
        raise RequestError(f"model '{name}' has no version {shown(version or '')}; loaded: {held}", status=404)

    def names(self) -> tuple[str, ...]:
        """Models that answer, in order; `index` has those that do not, too."""
        return tuple(sorted(self._answers))

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a model that answer, the highest last."""
        return tuple(model.version for model in self._answers.get(name, ()))

    def ready(self) -> bool:
        """Whether there is a model, and each of the first look answers, but for those removed or unloaded since.

        A model that comes later makes no server unready.
        """
        with self._changed:
            wanted = {name for name, shelf in self._shelves.items() if not shelf.is_unloaded}
            return bool(self._answers) and wanted & (self._required or set()) <= self._answers.keys()

    def index(self) -> list[dict[str, str]]:
        """Every version that lies here: name, version, state and reason, as Triton's repository index has them."""
        with self._changed:
            return [
                {"name": name, "version": str(number), **_state(shelf, shelf.versions[number])}
                for name, shelf in sorted(self._shelves.items())
                for number in sorted(shelf.versions)
            ]

    # What changes the models

    def start(self) -> None:
        """Look for the first time, and wait for what is loaded. What is refused is told, and looked at again.

        Raises:
            ArtifactError: no model at all can be served; says why.
        """
        self.poll()
        self.wait()
        if not self._answers:
            refused = [f"{row['name']}, version {row['version']}: {row['reason']}" for row in self.index()]
            raise ArtifactError("\n".join(["no model can be served", *refused]))

    def poll(self) -> None:
        """Look for changes in the folder, and begin to load what is new; does not wait for it."""
        with self._looking:
            try:
                found = self._folder.look()
            except OSError as error:
                _log.warning("the models' folder cannot be read (%s); all models stay as they are", error)
                return
            if not found and self._answers:
                _log.warning("the models' folder is empty; all models stay as they are")
                return
            with self._changed:
                self._see(found)
                self._advance()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no version is being loaded; False when that takes longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(s.is_loading for s in self._shelves.values()), timeout_s)

    def load(self, name: str) -> None:
        """Load what lies there for a model, also what was refused or unloaded before, and wait for it.

        Raises:
            RequestError: there is no such model, or its highest version is refused; says why.
        """
        self.poll()
        with self._changed:
            shelf = self._shelf(name)
            shelf.is_unloaded = False
            for version in shelf.versions.values():
                version.retry()
            self._advance()
            self._changed.wait_for(lambda: not shelf.is_loading)
            highest = shelf.highest
            if highest.status is not Status.LOADED:
                raise RequestError(f"model '{name}' version {highest.number} is not loaded: {highest.reason}")

    def unload(self, name: str) -> None:
        """Stop answering for a model until `load` is asked for.

        Raises:
            RequestError: there is no such model.
        """
        with self._changed:
            self._shelf(name).is_unloaded = True
            self._advance()

    def _shelf(self, name: str) -> Shelf:
        if name not in self._shelves:
            raise RequestError(f"model {shown(name)} is unknown; the repository index lists the models", status=404)
        return self._shelves[name]

    def _see(self, found: Models) -> None:
        """Take note of what lies in the folder."""
        is_first_look = self._required is None
        for name in self._shelves.keys() - found.keys():
            del self._shelves[name]
        for name, versions in found.items():
            shelf = self._shelves.setdefault(name, Shelf(keep=self._keep))
            shelf.see(versions, is_first_look=is_first_look)
        if is_first_look:
            self._required = frozenset(found)

    def _advance(self) -> None:
        """Begin to load what is due, and answer with what is there."""
        for name, shelf in self._shelves.items():
            for version in shelf.due():
                done = partial(self._end, name, version)
                Loading(self._load, name, version.number, version.found, done).start(self._timeout_s)
                version.begin()
        answers = {name: models for name, shelf in self._shelves.items() if (models := shelf.answering())}
        before, self._answers = self._answers, answers  # the switch
        self._news.switched(before, answers)
        self._changed.notify_all()

    def _end(self, name: str, version: Version, outcome: Outcome) -> None:
        """A version was loaded, or not; called from other threads."""
        with self._changed:
            if outcome.model is not None:
                version.succeed(outcome.model)
            else:
                version.fail(outcome.reason, is_final=version.is_settled and not outcome.is_unsettled)
                if version.status is Status.REFUSED:
                    self._news.refused(name, version.number, outcome.reason)
            self._advance()


def _state(shelf: Shelf, version: Version) -> dict[str, str]:
    """Triton's word for a version's state, and the reason for it."""
    if version.model is not None:
        return {"state": "READY", "reason": _aside(version)}
    match version.status:
        case Status.LOADING:
            return {"state": "LOADING", "reason": ""}
        case Status.WAITING:
            return {"state": "LOADING", "reason": f"its files may not be whole yet: {version.reason}"}
        case Status.REFUSED:
            return {"state": "UNAVAILABLE", "reason": version.reason}
        case Status.UNTRIED | Status.LOADED:
            return {"state": "UNAVAILABLE", "reason": "unloaded" if shelf.is_unloaded else "a higher version answers"}


def _aside(version: Version) -> str:
    """What is odd about a version that answers."""
    if version.is_gone:
        return "its files were removed; it answers until another version can"
    return version.reason and f"its files were changed and are not used: {version.reason}"
