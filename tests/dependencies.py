"""What an installation brings along, from the metadata of what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_EXTRAS = ("onnx", "plots", "report", "serve", "tensorboard", "trees")  # all but those for work on peprank itself


def of_project(*, with_extras: bool = False) -> list[Requirement]:
    """Requirements of our own; pyproject.toml is read as text, since Python 3.10 has no reader of it."""
    text = _PROJECT.read_text("utf-8")
    names = ["dependencies", *(_EXTRAS if with_extras else ())]
    lists = [re.search(rf"^{name} = \[(.*?)\]", text, re.DOTALL | re.MULTILINE) for name in names]
    return [Requirement(found) for part in lists if part for found in re.findall(r'"([^"]+)"', part[1])]


def needed(requirements: Iterable[Requirement]) -> set[str]:
    """Names of these packages and of all that they need here."""
    todo, names, seen = list(requirements), set[str](), set[tuple[str, str]]()
    while todo:
        requirement = todo.pop()
        name = str(canonicalize_name(requirement.name))
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                names.add(name)
                parts = map(Requirement, distribution(name).requires or ())
                todo += [part for part in parts if part.marker is None or part.marker.evaluate({"extra": extra})]
    return names


def licence(name: str) -> str:
    """What a package says its licence is."""
    about = distribution(name).metadata
    classifiers = [text.split(" :: ")[-1] for text in about.get_all("Classifier") or () if text.startswith("License")]
    said = [*(about.get_all("License-Expression") or ()), ", ".join(classifiers), *(about.get_all("License") or ())]
    return next((text.strip().splitlines()[0] for text in said if text.strip()), "not said")
