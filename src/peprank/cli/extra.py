"""Rooms that need packages which most verbs do without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from peprank.errors import PeprankError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import within the block what `pip install 'peprank[name]'` makes possible.

    Raises:
        PeprankError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise PeprankError(f"{error.name} is not installed; pip install 'peprank[{name}]'") from error
