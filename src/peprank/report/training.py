"""How training went: losses and evaluations by step, from metrics.jsonl."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peprank.report import blocks
from peprank.report.blocks import Block, Column, Fold, Grid, Section, Table, Text, once_or_folded, table_of
from peprank.report.figures import Axis, Line, lines

History = Sequence[Mapping[str, Any]]  # the lines of metrics.jsonl

_USUAL_LOSS = "binary_cross_entropy_"  # goes unnamed
_DRAWN = (("auc", "AUC"), ("gauc", "GAUC"), ("logloss", "logloss"), ("calibration", "calibration"))
_WIDE = 5.0  # largest over smallest
_NO_HISTORY = "metrics.jsonl is missing or empty"


@dataclass(frozen=True, slots=True)
class Training:
    """What is known of a run's training."""

    history: History
    tasks: tuple[str, ...]
    step: int  # of the judged weights

    @property
    def losses(self) -> History:
        """Lines of log steps."""
        return [line for line in self.history if "losses" in line]

    @property
    def evaluations(self) -> History:
        """Lines of evaluations."""
        return [line for line in self.history if "evaluation" in line]


def training_section(training: Training) -> Section:
    """Losses per task and evaluations by step."""
    losses, evaluations, tasks = training.losses, training.evaluations, training.tasks
    parts: list[Block] = [_summary(training)]
    if losses:
        parts += [_losses(losses), _loss_table(losses)]
    if len(evaluations) > 1:
        parts.append(Grid(tuple(_evaluations(evaluations, tasks))))
    if evaluations:
        parts.append(_evaluation_table(evaluations, tasks))
    return Section("training", "Training", tuple(parts))


def trainings_section(each: Mapping[str, Training]) -> Section:
    """Losses and evaluations of each task with a line per run, then each run's own curves and numbers."""
    tasks = list(dict.fromkeys(task for training in each.values() for task in training.tasks))
    losses = dict.fromkeys(name for training in each.values() for line in training.losses for name in line["losses"])
    parts: list[Block] = [_runs(each)]
    if losses:
        parts.append(Grid(tuple(_loss_of_runs(each, name) for name in losses)))
    measured = [(title, figures) for name, title in _DRAWN if (figures := _measure_of_runs(each, name, title, tasks))]
    parts += [Fold(f"{title} on the evaluation rows by step", (Grid(figures),)) for title, figures in measured]
    own = {name: training_section(training).blocks for name, training in each.items()}
    return Section("training", "Training", (*parts, *once_or_folded(own)))


def _runs(each: Mapping[str, Training]) -> Table:
    return table_of(
        "How far each run has come",
        list(each.items()),
        [
            (Column("Run", is_text=True), lambda item: blocks.words(item[0])),
            (Column("Judged step", "The step of the weights that this page judges"), lambda i: blocks.count(i[1].step)),
            (Column("Last step"), lambda item: _last(item[1], "step")),
            (Column("Rows", "Rows trained on, those of each epoch"), lambda item: _last(item[1], "rows")),
            (Column("Evaluations"), lambda item: blocks.count(len(item[1].evaluations))),
        ],
    )


def _last(training: Training, name: str) -> blocks.Cell:
    return blocks.count(training.history[-1][name] if training.history else None, _NO_HISTORY)


def _loss_of_runs(each: Mapping[str, Training], loss: str) -> blocks.Figure:
    drawn = [
        _line(run, ((line["step"], line["losses"].get(loss)) for line in training.losses))
        for run, training in each.items()
        if any(loss in line["losses"] for line in training.losses)
    ]
    title = f"Training loss of {loss.removeprefix(_USUAL_LOSS)}"
    return lines(title, Axis(title="step"), Axis(title="loss", is_log=_is_wide(drawn)), drawn)


def _measure_of_runs(
    each: Mapping[str, Training], measure: str, title: str, tasks: Sequence[str]
) -> tuple[blocks.Figure, ...]:
    """A figure per task; none where no run was evaluated more than once."""
    if all(len(training.evaluations) < 2 for training in each.values()):
        return ()
    drawn = {
        task: [
            _line(run, ((line["step"], line["evaluation"].get(f"{measure}_{task}")) for line in training.evaluations))
            for run, training in each.items()
            if any(f"{measure}_{task}" in line["evaluation"] for line in training.evaluations)
        ]
        for task in tasks
    }
    return tuple(
        lines(f"{task}: {title} on the evaluation rows", Axis(title="step"), Axis(title=title), items)
        for task, items in drawn.items()
        if items
    )


def _summary(training: Training) -> Text:
    if not training.history:
        return Text(f"{_NO_HISTORY}, so there is nothing to draw.")
    last, num = training.history[-1], len(training.evaluations)
    times = "once" if num == 1 else f"{num} times"
    return Text(
        f"The run has come to step {last['step']:,} after {last['rows']:,} rows, and was evaluated {times}; this page "
        f"judges the weights of step {training.step:,}. Losses are means since the log step before."
    )


def _losses(history: History) -> blocks.Figure:
    names = list(dict.fromkeys(name for line in history for name in line["losses"]))
    drawn = [
        _line(name.removeprefix(_USUAL_LOSS), ((line["step"], line["losses"].get(name)) for line in history))
        for name in names
    ]
    return lines("Training loss per task", Axis(title="step"), Axis(title="loss", is_log=_is_wide(drawn)), drawn)


def _is_wide(drawn: Sequence[Line]) -> bool:
    """Whether losses are so far apart that they need a logarithmic axis, on which small ranges have no ticks."""
    values = [value for line in drawn for value in line.y if value is not None]
    return bool(values) and 0 < _WIDE * min(values) < max(values)


def _evaluations(history: History, tasks: Sequence[str]) -> Iterable[blocks.Figure]:
    for measure, title in _DRAWN:
        drawn = [
            _line(task, ((line["step"], line["evaluation"].get(f"{measure}_{task}")) for line in history))
            for task in tasks
            if any(f"{measure}_{task}" in line["evaluation"] for line in history)
        ]
        if drawn:
            yield lines(f"{title} on the evaluation rows", Axis(title="step"), Axis(title=title), drawn)


def _line(name: str, points: Iterable[tuple[int, float | None]]) -> Line:
    steps, values = zip(*points, strict=True)
    return Line(name=name, x=steps, y=values)


def _loss_table(history: History) -> Fold:
    names = list(dict.fromkeys(name for line in history for name in line["losses"]))
    columns = [
        (Column("Step"), lambda line: blocks.count(line["step"])),
        *((Column(name.removeprefix(_USUAL_LOSS)), _named("losses", name)) for name in names),
        (Column("Rate of layers", "Learning rate"), lambda line: _rate(line, "dense")),
        (Column("of tables", "Learning rate"), lambda line: _rate(line, "sparse")),
    ]
    return Fold("Losses and learning rates as numbers", (table_of("Training loss by step", history, columns),))


def _evaluation_table(history: History, tasks: Sequence[str]) -> Fold:
    names = [f"{measure}_{task}" for measure, _ in _DRAWN for task in tasks]
    known = [name for name in names if any(name in line["evaluation"] for line in history)]
    columns = [
        (Column("Step"), lambda line: blocks.count(line["step"])),
        *((Column(name.replace("_", " ", 1)), _named("evaluation", name)) for name in known),
    ]
    return Fold("Evaluations as numbers", (table_of("Evaluations by step", history, columns),))


def _named(kind: str, name: str) -> Any:
    return lambda line: blocks.number(line[kind].get(name), reason="undefined in this evaluation")


def _rate(line: Mapping[str, Any], part: str) -> blocks.Cell:
    rate = line["learning_rates"].get(part)
    return blocks.missing("no such part") if rate is None else blocks.Cell(f"{rate:.3g}", rate)
