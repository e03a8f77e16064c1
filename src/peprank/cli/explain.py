"""peprank explain: the model that a config means, before anything is trained."""

from __future__ import annotations

import argparse

from rich.table import Table

from peprank import config
from peprank.cli import options
from peprank.cli.terminal import output
from peprank.models import Description, describe
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import RowWiseAdagrad, SparseAdagrad, SparseAdam, SparseRule

EPILOG = """example:
  peprank explain examples/kuairand.config
  peprank explain pipeline.config --set model_config.pepnet.wiring=PAPER
"""
_MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank explain`."""
    parser.epilog = EPILOG
    options.add_config(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the description section by section."""
    lowered = config.load(args.config, options.overrides(args))
    console = output()
    for warning in lowered.warnings:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)
    model = describe(lowered.spec.model)
    for section in (_groups(model), _tables(model), _gates(model), _parts(model)):
        if section.row_count:
            console.print(section)
            console.print()
    for line in (*_equations(model), *_totals(model, lowered.spec)):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _table(title: str, *columns: str) -> Table:
    """A table whose first column is text and whose numbers are flush right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 or column.endswith(" ") else "right", overflow="fold")
    return table


def _groups(model: Description) -> Table:
    table = _table("Feature groups", "group", "width", "features (columns) ")
    for group in model.groups:
        table.add_row(group.name, str(group.dim), ", ".join(f"{name} ({dim})" for name, dim in group.inputs))
    return table


def _tables(model: Description) -> Table:
    table = _table("Embedding tables", "table", "rows", "dim", "MiB", "read by ")
    for item in sorted(model.tables, key=lambda item: -item.num_bytes):
        notes = " (one per domain)" * item.is_per_domain + " (frozen)" * (not item.trainable)
        readers = ", ".join(item.features) + notes
        table.add_row(item.name, f"{item.rows:,}", str(item.dim), f"{item.num_bytes / _MIB:,.2f}", readers)
    return table


def _gates(model: Description) -> Table:
    table = _table("Gates", "gate", "reads ", "reads without gradient ", "hidden", "outputs", "range", "scales ")
    for gate in model.gates:
        table.add_row(
            gate.name,
            " + ".join(f"{name} {width}" for name, width in gate.reads),
            " + ".join(f"sg({name}) {width}" for name, width in gate.observes),
            ", ".join(map(str, gate.hidden_dims)),
            str(gate.out_dim),
            "sum 1" if gate.gamma is None else f"0..{gate.gamma:g}",
            gate.scales,
        )
    return table


def _parts(model: Description) -> Table:
    table = _table("Dense parts", "part", "parameters", "multiply-adds a row")
    for part in model.parts:
        table.add_row(part.name, f"{part.parameters:,}", f"{part.multiply_adds:,}")
    table.add_row("all", f"{model.dense_parameters:,}", f"{model.multiply_adds:,}", style="bold")
    return table


def _equations(model: Description) -> list[str]:
    return [f"{model.model}: the equations in force", *(f"  {equation}" for equation in model.equations), ""]


def _totals(model: Description, spec: PipelineSpec) -> list[str]:
    rows = sum(table.rows for table in model.tables)
    state = 4 * _state_values(spec.train.sparse.rule, rows, model.embedding_parameters)
    dense = 4 * model.dense_parameters
    total = model.embedding_bytes + state + 4 * dense  # weights, gradients and at most two moments
    towers = f", {model.num_domain_towers} domain towers each" if model.num_domain_towers > 1 else ""
    domain = spec.model.domain.feature if spec.model.domain else "none"
    return [
        f"Tasks: {', '.join(task.name for task in spec.model.tasks)}{towers}; domain feature: {domain}",
        f"Embedding parameters: {model.embedding_parameters:,}; dense parameters: {model.dense_parameters:,}",
        f"Multiply-adds a row, forward: {model.multiply_adds:,}",
        f"Memory in training, without activations: about {total / _MIB:,.0f} MiB (tables"
        f" {model.embedding_bytes / _MIB:,.0f}, their optimiser state {state / _MIB:,.0f}, dense part"
        f" {4 * dense / _MIB:,.0f})",
    ]


def _state_values(rule: SparseRule, rows: int, values: int) -> int:
    """Numbers that the sparse optimiser keeps for tables of `rows` rows and `values` values."""
    match rule:
        case SparseAdagrad():
            return values
        case RowWiseAdagrad():
            return rows
        case SparseAdam(partial_rowwise=True):
            return values + rows
        case SparseAdam():
            return 2 * values
        case _:
            return 0
