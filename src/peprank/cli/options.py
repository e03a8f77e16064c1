"""Arguments that several verbs take, and the overrides that they stand for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

_BF16: Final[dict[str, bool | None]] = {"float32": False, "bf16": True, "auto": None}
_DEFAULT_PRECISION: Final = "float32"


def add_config(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    """CONFIG, --set and the three paths that people change most."""
    parser.add_argument(
        "config",
        type=Path,
        nargs=None if is_required else "?",
        help="pipeline.config (protobuf text) or a .json of the same messages",
    )
    add_overrides(parser)
    parser.add_argument("--model-dir", metavar="DIR", help="use this folder in place of model_dir")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """--set and the paths of the rows."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change a field, as in train_config.num_epochs=2 or"
        " feature_configs[id_feature.feature_name=user_id].id_feature.embedding_dim=8;"
        " ~PATH takes a field away; may be repeated",
    )
    parser.add_argument("--train-input", metavar="PATHS", help="use these files in place of train_input_path")
    parser.add_argument("--eval-input", metavar="PATHS", help="use these files in place of eval_input_path")


def add_precision(parser: argparse.ArgumentParser) -> None:
    """--precision and its short form --bf16."""
    parser.add_argument(
        "--precision",
        choices=tuple(_BF16),
        default=_DEFAULT_PRECISION,
        help="arithmetic of the layers: bf16 is faster where the processor has it, and off by about 1e-3; auto: bf16"
        f" there, float32 elsewhere (default: {_DEFAULT_PRECISION})",
    )
    parser.add_argument("--bf16", dest="precision", action="store_const", const="bf16", help="--precision bf16")


def add_bad_files(parser: argparse.ArgumentParser) -> None:
    """--bad-files."""
    parser.add_argument(
        "--bad-files",
        choices=("error", "skip"),
        help="files that are damaged, cut short or of another format: error (default) stops, skip leaves them out and"
        " says at the end how many",
    )


def bf16(args: argparse.Namespace) -> bool | None:
    """What `api.load` takes for the --precision of `args`."""
    return _BF16[args.precision]


def overrides(args: argparse.Namespace) -> tuple[str, ...]:
    """The --set of `args`, with the path options spelled as such."""
    named = (
        ("train_input_path", args.train_input),
        ("eval_input_path", args.eval_input),
        ("model_dir", getattr(args, "model_dir", None)),
    )
    bad_files = getattr(args, "bad_files", None)
    skipping = () if bad_files is None else (f"data_config.skip_bad_files={str(bad_files == 'skip').lower()}",)
    # A JSON string is a text-format string: quotes and backslashes in a path stay what they are.
    texts = (f"{field}={json.dumps(value)}" for field, value in named if value is not None)
    return (*args.overrides, *texts, *skipping)
