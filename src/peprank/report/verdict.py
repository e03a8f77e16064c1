"""The verdict on one model in plain sentences: what it ranks well and badly, where, and which numbers are off."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from peprank.evaluation import Cell, Results, TaskKind
from peprank.report.blocks import Text
from peprank.report.quality import has_few

_ENOUGH = 100  # positives and negatives that a best or worst stands on
_CALIBRATION_MARGIN = 0.10  # a mean prediction that is off by less is not told
_SURE = 3.0  # standard errors, since every domain of every task is looked at


def verdict(results: Results, step: int) -> tuple[Text, ...]:
    """Sentences, the most important first."""
    return (
        _extent(results, step),
        *_best_and_worst_task(results),
        *_domains(results),
        *_worse_than_a_guess(results),
        *_calibration(results),
        *_too_few(results),
    )


def faults(results: Results) -> str:
    """What is off over all rows, in short; "" where nothing is."""
    guesses = [cell.task for cell in results.select() if _is_a_guess(cell)]
    off = [f"{cell.task} {_ratio(cell):.2f} times" for cell in results.select() if _is_off(cell)]
    said = [f"no better than the mean rate for {', '.join(guesses)}"] if guesses else []
    said += [f"predicts {', '.join(off)} as often as it happens"] if off else []
    return "; ".join(said)


def _extent(results: Results, step: int) -> Text:
    num_domains = len(list(results.select(task=results.tasks[0], column=results.domain_column)))
    domains = f" in {_many(num_domains, 'domain')} ({results.domain_column})" if results.domain_column else ""
    tasks = _many(len(results.tasks), "task")
    return Text(f"Judged on {_many(results.rows, 'row')}{domains}, {tasks}, with the weights of step {step:,}.")


def _best_and_worst_task(results: Results) -> Iterator[Text]:
    cells = sorted(_solid(results.select()), key=_auc, reverse=True)
    if len(cells) == 1:
        yield Text(f"{cells[0].task} is ranked with AUC {_auc(cells[0]):.3f}, where 0.5 is a guess.")
    elif cells:
        best, worst = cells[0], cells[-1]
        yield Text(f"Best ranked is {best.task}, AUC {_auc(best):.3f}; worst is {worst.task}, AUC {_auc(worst):.3f}.")


def _domains(results: Results) -> Iterator[Text]:
    """For each task the domains at both ends, where at least two stand on enough rows."""
    if results.domain_column is None:
        return
    for task in results.tasks:
        cells = sorted(_solid(results.select(task=task, column=results.domain_column)), key=_auc, reverse=True)
        if len(cells) > 1:
            best, worst = cells[0], cells[-1]
            yield Text(
                f"{task} is ranked best in {results.domain_column} {best.segment} (AUC {_auc(best):.3f}) and worst in "
                f"{results.domain_column} {worst.segment} ({_auc(worst):.3f}), of the {len(cells)} domains with at "
                f"least {_ENOUGH} rows of each class."
            )


def _worse_than_a_guess(results: Results) -> Iterator[Text]:
    for cell in results.select():
        if _is_a_guess(cell):
            entropy = cell.measures["normalized_entropy"].value
            yield Text(
                f"{cell.task}: its probabilities are no better than its mean rate; logloss is {entropy:.3f} times that "
                "of this guess.",
                "warning",
            )


def _is_a_guess(cell: Cell) -> bool:
    entropy = cell.measures["normalized_entropy"].value if cell.kind is TaskKind.BINARY else None
    return entropy is not None and entropy >= 1


def _calibration(results: Results) -> Iterator[Text]:
    """Tasks whose mean prediction is off, then how many of their domains."""
    for cell in results.select():
        if _is_off(cell):
            yield Text(f"{cell.task} {_is_predicted(cell)}.", "warning")
    off = [cell for cell in results.select(column=results.domain_column) if results.domain_column and _is_off(cell)]
    if off:
        worst = max(off, key=lambda cell: abs(math.log(_ratio(cell))))
        places = "one task in one domain" if len(off) == 1 else f"{len(off)} pairs of task and domain"
        where = f"{results.domain_column} {worst.segment}"
        yield Text(f"Calibration is off in {places}, most in {where}: {worst.task} {_is_predicted(worst)}.", "warning")


def _is_off(cell: Cell) -> bool:
    """Whether the mean prediction differs from the mean label by more than the margin, and by more than chance."""
    if cell.kind is not TaskKind.BINARY or not cell.positives or not _ratio(cell):
        return False
    expected = _ratio(cell) * cell.positives  # positives, if the predictions were right
    deviation = abs(expected - cell.positives) / math.sqrt(expected)
    return abs(math.log(_ratio(cell))) > math.log1p(_CALIBRATION_MARGIN) and deviation > _SURE


def _is_predicted(cell: Cell) -> str:
    ratio, positives = _ratio(cell), f"{cell.positives:,} positives"
    return f"is predicted {ratio:.2f} times as often as it happens ({positives})"


def _too_few(results: Results) -> Iterator[Text]:
    few = [cell for cell in results.select() if cell.kind is TaskKind.BINARY and has_few(cell, _ENOUGH)]
    if few:
        names = ", ".join(f"{cell.task} ({cell.positives:,} positives)" for cell in few)
        yield Text(f"Too few rows of a class to say much, fewer than {_ENOUGH}: {names}.")


def _solid(cells: Iterator[Cell]) -> Sequence[Cell]:
    """Binary cells with enough rows of both classes, which all have an AUC."""
    return [cell for cell in cells if cell.kind is TaskKind.BINARY and not has_few(cell, _ENOUGH)]


def _auc(cell: Cell) -> float:
    value = cell.measures["auc"].value
    assert value is not None  # both classes are there
    return value


def _ratio(cell: Cell) -> float:
    return cell.measures["calibration"].value or 0.0


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
