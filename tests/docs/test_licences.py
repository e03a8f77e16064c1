"""docs/licences.md names every package that comes along, with the licence that it says it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dependencies import needed, of_project
from tests.promises import Reached

PAGE = Path(__file__).resolve().parents[2] / "docs" / "licences.md"
OF_CUDA = ("nvidia-", "cuda-", "triton")  # come with other builds of PyTorch


def listed() -> dict[str, str]:
    rows = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return {cells[1].strip(): cells[2].strip() for cells in rows[1:]}


@pytest.mark.promise("R-36", "packages")
def test_every_package_that_comes_along_has_its_licence_listed(reached: Reached) -> None:
    packages = {name for name in needed(of_project(with_extras=True)) if not name.startswith(OF_CUDA)}
    assert sorted(packages - listed().keys()) == [], "run scripts/licences"
    assert not [name for name, said in listed().items() if said in ("", "not said")]
    core = {name for name in needed(of_project()) if not name.startswith(OF_CUDA)}
    assert len(core) <= 25
    reached(f"a core installation brings {len(core)} packages, with all extras {len(packages)}, each with its licence")
