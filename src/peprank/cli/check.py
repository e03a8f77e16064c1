"""peprank check: every mistake of a config at once, without importing torch."""

from __future__ import annotations

import argparse
import time

from rich.console import Console

from peprank import config
from peprank.cli import options
from peprank.data import check_files
from peprank.errors import PeprankError

EPILOG = """example:
  peprank check examples/kuairand.config
  peprank check pipeline.config --data --set train_config.num_epochs=2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank check`."""
    parser.epilog = EPILOG
    options.add_config(parser)
    parser.add_argument("--data", action="store_true", help="also check the files: columns, types, label values")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the config can be used, 2 when it cannot."""
    started = time.perf_counter()
    console = Console(highlight=False, soft_wrap=True)
    lowered = config.load(args.config, options.overrides(args))  # ConfigError lists all mistakes
    for warning in lowered.warnings:
        console.print(f"warning: {warning}", markup=False)
    spec = lowered.spec
    problems: list[str] = []
    if args.data:
        for inputs in (spec.train_inputs, spec.eval_inputs):
            try:
                problems += check_files(inputs, spec) if inputs else ()
            except PeprankError as error:
                problems.append(str(error))
    for problem in problems:
        console.print(problem, markup=False)
    if problems:
        return 2
    tasks = ", ".join(task.name for task in spec.model.tasks)
    warnings = f"{len(lowered.warnings)} warning{'' if len(lowered.warnings) == 1 else 's'}"
    console.print(
        f"{args.config}: fine. {len(spec.features)} features, {len(spec.model.tables)} tables, tasks {tasks}"
        f" ({warnings}, {time.perf_counter() - started:.2f} s)",
        markup=False,
    )
    return 0
