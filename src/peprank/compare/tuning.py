"""The same search for every contender: one setting, the same values, the same rows and seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from peprank.compare.comparison import Settings, compare
from peprank.compare.contenders import TREES, Contender, from_base
from peprank.compare.pool import Watcher
from peprank.compare.results import MEAN, Comparison, Place
from peprank.errors import SpecError
from peprank.sealed import write_whole

TUNED: Final = "tuned.json"
_NUM_REPLICATES: Final = 100  # draws of users: nobody reads p values of a search closely


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Values of one setting, and the rows to choose by. They must not be those of the comparison itself."""

    field: str  # as --set takes it: "train_config.dense_optimizer.adam_optimizer.lr"
    values: tuple[str, ...]
    train_input: str
    eval_input: str
    seeds: tuple[int, ...]


def tuned(
    path: Path,
    names: Sequence[str],
    grid: Grid,
    settings: Settings,
    watcher: Watcher,
    *,
    overrides: Sequence[str] = (),
    match: bool = False,
    prepare: Callable[[], None] | None = None,
) -> dict[str, tuple[str, ...]]:
    """The value that is best for each contender, as its own overrides.

    Every contender is trained with every value; the one with the best mean of the measure that ranks is taken, the
    earlier one of equal ones. Boosted trees keep their settings. What was found is kept in `out/tuning`.

    Args:
        settings: of the comparison that follows.

    Raises:
        SpecError: a contender has scores for none of the values.
    """
    searched = [name for name in names if name != TREES]
    rows = (f"train_input_path={json.dumps(grid.train_input)}", f"eval_input_path={json.dumps(grid.eval_input)}")
    contenders: list[Contender] = []
    for value in grid.values:
        changes = [*overrides, *rows, f"{grid.field}={value}"]
        spec, found = from_base(path, searched, overrides=changes, match=match)
        contenders += [replace(contender, name=_entry(contender.name, value)) for contender in found]
    own = replace(
        settings,
        out=settings.out / "tuning",
        seeds=grid.seeds,
        reference=contenders[0].name,
        num_replicates=_NUM_REPLICATES,
    )
    comparison = compare(spec, contenders, own, watcher, prepare=prepare)
    chosen = {name: _best(name, grid, comparison) for name in searched}
    write_whole(own.out / TUNED, json.dumps({"field": grid.field, "chosen": chosen}, indent=1) + "\n")
    return {name: (f"{grid.field}={value}",) for name, value in chosen.items()}


def _entry(name: str, value: str) -> str:
    return f"{name} {value}"


def _best(name: str, grid: Grid, comparison: Comparison) -> str:
    found = {value: _mean(comparison, _entry(name, value)) for value in grid.values}
    known = {value: mean for value, mean in found.items() if mean is not None}
    if not known:
        reasons = [failure.reason for failure in comparison.standing(_entry(name, grid.values[0])).failures]
        raise SpecError("--grid", name, f"has no scores with any value; {'; '.join(reasons[:1])}")
    return max(known, key=known.__getitem__)


def _mean(comparison: Comparison, name: str) -> float | None:
    numbers = comparison.standing(name).numbers
    place = Place(MEAN, None, comparison.measure)
    return numbers[place].mean if place in numbers else None
