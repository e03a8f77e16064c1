"""How training went: losses and evaluations by step, from metrics.jsonl."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from peprank.evaluation import Results
from peprank.report import blocks
from peprank.report.blocks import Block, Column, Fold, Grid, Section, Text, table_of
from peprank.report.figures import Axis, Line, lines

History = Sequence[Mapping[str, Any]]  # the lines of metrics.jsonl

_USUAL_LOSS = "binary_cross_entropy_"  # goes unnamed
_DRAWN = (("auc", "AUC"), ("gauc", "GAUC"), ("logloss", "logloss"), ("calibration", "calibration"))


def training_section(history: History, results: Results, step: int) -> Section:
    """Losses per task and evaluations by step; `step` is that of the judged weights."""
    losses = [line for line in history if "losses" in line]
    evaluations = [line for line in history if "evaluation" in line]
    parts: list[Block] = [_summary(history, evaluations, step)]
    if losses:
        parts += [_losses(losses), _loss_table(losses)]
    if len(evaluations) > 1:
        parts.append(Grid(tuple(_evaluations(evaluations, results))))
    if evaluations:
        parts.append(_evaluation_table(evaluations, results))
    return Section("training", "Training", tuple(parts))


def _summary(history: History, evaluations: History, step: int) -> Text:
    if not history:
        return Text("metrics.jsonl is missing or empty, so there is nothing to draw.")
    last = history[-1]
    times = "once" if len(evaluations) == 1 else f"{len(evaluations)} times"
    return Text(
        f"The run has come to step {last['step']:,} after {last['rows']:,} rows, and was evaluated {times}; this page "
        f"judges the weights of step {step:,}. Losses are means since the log step before."
    )


def _losses(history: History) -> blocks.Figure:
    names = list(dict.fromkeys(name for line in history for name in line["losses"]))
    drawn = [
        _line(name.removeprefix(_USUAL_LOSS), ((line["step"], line["losses"].get(name)) for line in history))
        for name in names
    ]
    is_log = all(value is None or value > 0 for line in drawn for value in line.y)
    return lines("Training loss per task", Axis(title="step"), Axis(title="loss", is_log=is_log), drawn)


def _evaluations(history: History, results: Results) -> Iterable[blocks.Figure]:
    for measure, title in _DRAWN:
        drawn = [
            _line(task, ((line["step"], line["evaluation"].get(f"{measure}_{task}")) for line in history))
            for task in results.tasks
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


def _evaluation_table(history: History, results: Results) -> Fold:
    names = [f"{measure}_{task}" for measure, _ in _DRAWN for task in results.tasks]
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
