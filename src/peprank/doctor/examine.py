"""Everything that the doctor looks at, quick things first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from peprank.doctor import installation, machine
from peprank.doctor.finding import Finding
from peprank.doctor.repeat import repeats


def examine(folder: Path) -> Iterator[Finding]:
    """Yield what is found, one by one.

    Args:
        folder: whose disk is measured; is made, if it is not there.
    """
    yield installation.versions()
    yield installation.torch_build()
    yield installation.extras()
    yield machine.instructions()
    yield machine.bf16()
    yield machine.gpu()
    yield machine.threads()
    yield machine.memory()
    yield machine.disk(folder)
    yield repeats()
