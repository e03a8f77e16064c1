"""A comparison in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from peprank.compare.results import MEAN, Comparison, Place, Standing, State


def verdict(comparison: Comparison) -> list[str]:
    """Who is first and how surely, then what is better and worse than the reference; who is alike shares a line."""
    alike: dict[str, list[str]] = {}
    for standing in comparison.standings:
        alike.setdefault(_against_reference(standing, comparison), []).append(standing.name)
    return [_first(comparison), *(f"{', '.join(names)}: {said}" for said, names in alike.items())]


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


def _against_reference(standing: Standing, comparison: Comparison) -> str:
    if not standing.numbers:
        return f"no scores; {standing.failures[0].run}: {standing.failures[0].reason}"
    if standing.name == comparison.reference:
        return "the reference."
    seesaw = standing.seesaw(comparison.measure)
    domains = {f"{comparison.domain_column} {name}": state for name, state in seesaw["domains"].items()}
    found = [*_seesaw("domain", domains), *_seesaw("task", seesaw["tasks"])]
    better = ", ".join([*_in_state(domains, State.BETTER), *_in_state(seesaw["tasks"], State.BETTER)])
    gains = f"Better: {better}." if better else "Better nowhere."
    return f"{'; '.join(found) or 'no seesaw'} against {comparison.reference}. {gains}"


def _seesaw(kind: str, states: Mapping[str, State]) -> Iterator[str]:
    if worse := _in_state(states, State.WORSE):
        yield f"{kind} seesaw, worse in {', '.join(worse)}"


def _in_state(states: Mapping[str, State], wanted: State) -> list[str]:
    return [name for name, state in states.items() if state is wanted]
