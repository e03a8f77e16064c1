"""A comparison in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from peprank.compare.results import MEAN, Comparison, Place, Standing, State


def verdict(comparison: Comparison) -> list[str]:
    """Who is first and how surely, then one line per contender: its place against the reference, and its seesaws."""
    return [_first(comparison), *(_line(standing, comparison) for standing in comparison.standings)]


def _first(comparison: Comparison) -> str:
    judged = [standing for standing in comparison.standings if standing.numbers]
    if not judged:
        return "No contender has scores for a whole seed."
    leader, place = judged[0], Place(MEAN, None, comparison.measure)
    name = f"mean {comparison.measure.upper()} over {_tasks(comparison)}"
    if (mean := leader.numbers[place].mean if place in leader.numbers else None) is None:
        return "No task has enough positives and negatives to rank the contenders by."
    said = f"{leader.name} is first with a {name} of {mean:.4f}"
    test = leader.against_leader.get(place)
    if test is None:
        return f"{said}."
    low, high = test.difference.low, test.difference.high
    lead = f"{test.gain:+.4f} [{low:+.4f}, {high:+.4f}] against {test.against}, p = {test.difference.p:.3f}"
    return f"{said}, {lead}: {'within' if test.state is State.SAME else 'beyond'} noise."


def _tasks(comparison: Comparison) -> str:
    return ", ".join(task.name for task in comparison.tasks if task.counts)


def _line(standing: Standing, comparison: Comparison) -> str:
    if not standing.numbers:
        return f"{standing.name}: no scores; {standing.failures[0].run}: {standing.failures[0].reason}"
    if standing.name == comparison.reference:
        return f"{standing.name}: the reference."
    seesaw = standing.seesaw(comparison.measure)
    found = [*_seesaw("domain", seesaw["domains"]), *_seesaw("task", seesaw["tasks"])]
    better = [name for states in seesaw.values() for name, state in states.items() if state is State.BETTER]
    gains = f" Better: {', '.join(better)}." if better else ""
    return f"{standing.name}: {'; '.join(found) or 'no seesaw'} against {comparison.reference}.{gains}"


def _seesaw(kind: str, states: Mapping[str, State]) -> Iterator[str]:
    if worse := [name for name, state in states.items() if state is State.WORSE]:
        yield f"{kind} seesaw, worse in {', '.join(worse)}"
