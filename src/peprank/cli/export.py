"""peprank export: a checkpoint becomes a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from peprank import api

EPILOG = """example:
  peprank export experiments/kuairand --out bundle
  peprank export experiments/kuairand --out bundle --checkpoint best
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank export`."""
    parser.epilog = EPILOG
    parser.add_argument("model_dir", type=Path, help="folder that `peprank train` filled")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="BUNDLE", help="folder to write; a bundle is replaced"
    )
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="default: what exporter_type says")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, then say what the bundle holds."""
    scorer = api.export(args.model_dir, args.out, checkpoint=args.checkpoint)
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    tasks = ", ".join(task.name for task in scorer.spec.model.tasks)
    Console(highlight=False, soft_wrap=True).print(
        f"{args.out}: step {scorer.step}, tasks {tasks}, {size / 2**20:.1f} MiB; golden rows replayed", markup=False
    )
    return 0
