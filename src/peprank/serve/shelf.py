"""The versions of one model: which to load next, and which to answer with. No files and no threads: rules only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from peprank.serve.files import Found, Stamp
from peprank.serve.model import ServedModel


class Status(Enum):
    """What became of the last look at a version's files."""

    UNTRIED = "untried"
    LOADING = "loading"
    LOADED = "loaded"
    WAITING = "waiting"  # did not load, but its files may still be on their way
    REFUSED = "refused"  # will not be tried again until its files change


@dataclass(kw_only=True, eq=False)
class Version:
    """One version of a model."""

    number: int
    found: Found
    is_settled: bool  # its files were the same at the look before
    status: Status = Status.UNTRIED
    reason: str = ""  # why it is waiting or refused
    tried: Stamp | None = None  # its files when it was last loaded
    model: ServedModel | None = None  # what answers; older than the files while new ones load or are refused
    is_gone: bool = False  # its files were removed

    def see(self, found: Found | None) -> None:
        """Take note of what lies there now."""
        self.is_gone = found is None
        if found is not None:
            self.is_settled = found.stamp == self.found.stamp
            self.found = found

    @property
    def is_due(self) -> bool:
        """Whether to load it, should it be wanted."""
        match self.status:
            case Status.UNTRIED:
                return True
            case Status.LOADING:
                return False
            case Status.WAITING if self.is_settled:
                return True
            case _:
                return self.found.stamp != self.tried

    @property
    def is_hopeful(self) -> bool:
        """Whether it answers, or will if its files are good."""
        return not self.is_gone and (self.is_due or self.status is Status.LOADING or self.model is not None)

    def begin(self) -> None:
        """It is being loaded."""
        self.status, self.tried = Status.LOADING, self.found.stamp

    def succeed(self, model: ServedModel) -> None:
        """It was loaded."""
        self.status, self.reason, self.model = Status.LOADED, "", model

    def fail(self, reason: str, *, is_final: bool) -> None:
        """It could not be loaded; whatever answered before still does.

        Args:
            is_final: the files are to blame, and not that they are still being written.
        """
        self.status, self.reason, self.is_settled = Status.REFUSED if is_final else Status.WAITING, reason, is_final

    def retry(self) -> None:
        """Forget a failure: the files are said to be whole now."""
        if self.status in (Status.WAITING, Status.REFUSED):
            self.status, self.reason, self.is_settled = Status.UNTRIED, "", True

    def drop(self) -> None:
        """Hold no model; it may be loaded again."""
        self.model = None
        if self.status is Status.LOADED:
            self.status = Status.UNTRIED


@dataclass(kw_only=True, eq=False)
class Shelf:
    """The versions of one model.

    Args:
        keep: that many of the highest good versions are held.
    """

    keep: int
    is_unloaded: bool = False  # on request, until the opposite request
    versions: dict[int, Version] = field(default_factory=dict)

    def see(self, found: Mapping[int, Found], *, is_first_look: bool = False) -> None:
        """Take note of what lies there now; at the first look files are taken to be whole."""
        for number, version in self.versions.items():
            version.see(found.get(number))
        for number in found.keys() - self.versions.keys():
            self.versions[number] = Version(number=number, found=found[number], is_settled=is_first_look)

    @property
    def is_loading(self) -> bool:
        """Whether some version is being loaded."""
        return any(version.status is Status.LOADING for version in self.versions.values())

    @property
    def highest(self) -> Version:
        """The version that should answer."""
        return self._highest_first()[0]

    def due(self) -> list[Version]:
        """Versions to begin loading, the highest first."""
        hopeful = [version for version in self._highest_first() if version.is_hopeful]
        return [] if self.is_unloaded else [version for version in hopeful[: self.keep] if version.is_due]

    def answering(self) -> tuple[ServedModel, ...]:
        """Models to answer with, the highest last; all others are dropped.

        A version whose files were removed goes on until another can take its place.
        """
        held = [version for version in self._highest_first() if version.model is not None]
        here = [version for version in held if not version.is_gone][: self.keep]
        chosen = [] if self.is_unloaded else here or held[:1]
        for version in self.versions.values():
            if version not in chosen:
                version.drop()
        self.versions = {k: version for k, version in self.versions.items() if version in chosen or not version.is_gone}
        return tuple(version.model for version in reversed(chosen) if version.model is not None)

    def _highest_first(self) -> list[Version]:
        return [self.versions[number] for number in sorted(self.versions, reverse=True)]
