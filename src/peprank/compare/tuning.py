"""The same search for every contender: one setting, the same values, the same rows and seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from peprank.compare.comparison import compare
from peprank.compare.contenders import TREES, Entry, from_base
from peprank.compare.plan import Settings
from peprank.compare.pool import Watcher
from peprank.compare.results import MEAN, Comparison, Place, Standing
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
    entries: Sequence[Entry],
    grid: Grid,
    settings: Settings,
    watcher: Watcher,
    *,
    overrides: Sequence[str] = (),
    prepare: Callable[[], None] | None = None,
) -> list[Entry]:
    """The entries, each with the value that is best for it.

    Every one is trained with every value; the one with the best mean of the measure that ranks is taken, the earlier
    one of equal ones. Boosted trees keep their settings. What was found is kept in `out/tuning`.

    Args:
        settings: of the comparison that follows.

    Raises:
        SpecError: an entry has scores for none of the values.
    """
    rows = (f"train_input_path={json.dumps(grid.train_input)}", f"eval_input_path={json.dumps(grid.eval_input)}")
    searched = [entry for entry in entries if entry.model != TREES]
    tried = [_with(entry, grid, value) for value in grid.values for entry in searched]
    spec, contenders = from_base(path, tried, overrides=[*overrides, *rows], match=settings.is_matched)
    own = replace(
        settings,
        out=settings.out / "tuning",
        seeds=grid.seeds,
        reference=contenders[0].name,
        num_replicates=_NUM_REPLICATES,
    )
    comparison = compare(spec, contenders, own, watcher, prepare=prepare)
    chosen = {entry.name: _best(entry, grid, comparison) for entry in searched}
    write_whole(own.out / TUNED, json.dumps({"field": grid.field, "chosen": chosen}, indent=1) + "\n")
    return [replace(_with(e, grid, chosen[e.name]), name=e.name) if e.name in chosen else e for e in entries]


def _with(entry: Entry, grid: Grid, value: str) -> Entry:
    changes = (*entry.changes, f"{grid.field}={value}")
    return replace(entry, name=f"{entry.name} {value}", changes=changes)


def _best(entry: Entry, grid: Grid, comparison: Comparison) -> str:
    standings = {value: comparison.standing(_with(entry, grid, value).name) for value in grid.values}
    means = {value: _mean(standing, comparison.measure) for value, standing in standings.items()}
    known = {value: mean for value, mean in means.items() if mean is not None}
    if not known:
        reasons = [failure.reason for standing in standings.values() for failure in standing.failures]
        raise SpecError("--grid", entry.name, f"has no scores with any value; {'; '.join(reasons[:1])}")
    return max(known, key=known.__getitem__)


def _mean(standing: Standing, measure: str) -> float | None:
    place = Place(MEAN, None, measure)
    return standing.numbers[place].mean if place in standing.numbers else None
