"""Which of several runs is ahead, in sentences: over all rows, by task and domain, and why that is not yet proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from peprank.compare import MEAN, Place
from peprank.compare.judge import ENOUGH
from peprank.evaluation import TaskKind
from peprank.report.blocks import Text
from peprank.report.gates import gate_warnings
from peprank.report.lineup import Lineup, oriented
from peprank.report.run import Run
from peprank.report.verdict import faults

_NOISE = (
    "Each of them was trained once. Another seed, or other users to judge by, moves such numbers too, and nothing on "
    "this page tells by how much: a small lead may be chance. `peprank compare` with these configs and several seeds "
    "tests it."
)
_LEVEL = 5e-5  # numbers that look the same with four decimals are


def leads(lineup: Lineup) -> Iterator[Text]:
    """Sentences, the most important first."""
    if lineup.problem:
        yield Text(f"Which run is better cannot be said: {lineup.problem}.", "warning")
    else:
        first, *others = [*_mean(lineup), *_tasks(lineup)]
        yield Text(first, "lead")
        yield Text(_NOISE, "warning")
        yield from map(Text, others)
    yield from _apart(lineup)
    yield from (Text(said, "warning") for run in lineup.runs if (said := _warnings(run)))


def _mean(lineup: Lineup) -> Iterator[str]:
    tasks, measure = lineup.averaged(None), lineup.main(TaskKind.BINARY)
    values = lineup.comparable(Place(MEAN, None, measure))
    if len(tasks) > 1 and values:
        title = lineup.shown(TaskKind.BINARY)[0].title
        yield f"{_order(values, measure, f'a mean {title} over {_and(tasks)} of')}."


def _tasks(lineup: Lineup) -> Iterator[str]:
    """A sentence or two per task, then the tasks of which nothing can be said."""
    untold = []
    for task in lineup.shared_tasks:
        shown = lineup.shown(lineup.kinds[task])[0]
        if values := lineup.comparable(Place(task, None, shown.name)):
            leader = _ranked(values, shown.name)[0]
            yield f"{task}: {_order(values, shown.name, shown.title)}.{_domains(lineup, task, shown.name, leader)}"
        else:
            untold.append(task)
    if untold:
        yield f"Not compared, for they have fewer than {ENOUGH} rows of a class or no number: {_and(untold)}."


def _ranked(values: Mapping[str, float], measure: str) -> list[str]:
    """Names, the best first."""
    return sorted(values, key=lambda name: -oriented(measure, values[name]))


def _order(values: Mapping[str, float], measure: str, what: str) -> str:
    """Such as "wide leads with GAUC 0.6213, 0.0021 ahead of base"."""
    best, *others = _ranked(values, measure)
    ahead = {name: abs(values[best] - values[name]) for name in others}
    level = [best, *(name for name in others if ahead[name] < _LEVEL)]
    rest = [f"{ahead[name]:.4f} ahead of {name}" for name in others if name not in level]
    said = f"{best} leads with" if len(level) == 1 else f"{_and(level)} are level with"
    return f"{said} {what} {values[best]:.4f}{', ' if rest else ''}{_and(rest)}"


def _domains(lineup: Lineup, task: str, measure: str, leader: str) -> str:
    """In how many domains the leader over all rows leads too, and where it is furthest behind."""
    behind: dict[str, tuple[float, str]] = {}
    for domain in lineup.domains:
        if values := lineup.comparable(Place(task, domain, measure)):
            best = _ranked(values, measure)[0]
            behind[domain] = abs(values[best] - values[leader]), best
    if not behind:
        return ""
    leads = sum(distance < _LEVEL for distance, _ in behind.values())
    said = f" By {lineup.domain_column}, {leader} leads in {leads} of {len(behind)}"
    if leads == len(behind):
        return f"{said}."
    domain = max(behind, key=lambda domain: behind[domain])
    distance, best = behind[domain]
    return f"{said}; it is furthest behind in {lineup.domain_column} {domain}, where {best} is {distance:.4f} ahead."


def _apart(lineup: Lineup) -> Iterator[Text]:
    """What else differs between the runs than their configs' models."""
    if len({run.data.trained.paths for run in lineup.runs}) > 1:
        yield Text("They were trained on different files, so a difference may be that of their rows.", "warning")
    if lineup.has_gauc and not lineup.shares_groups:
        named = ", ".join(f"{run.name}: {run.results.group_feature or 'none'}" for run in lineup.runs)
        yield Text(f"Their GAUC cannot be compared, for gauc_feature differs ({named}).", "warning")


def _warnings(run: Run) -> str:
    """What is off about one run, in short."""
    found = faults(run.results)
    collapsed = " ".join(text.text for text in gate_warnings(run.gates))
    said = " ".join(part for part in (f"{found}." if found else "", collapsed) if part)
    return f"{run.name}: {said}" if said else ""


def _and(parts: list[str]) -> str:
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)
