"""`peprank VERB ...`: find the verb, run it, turn our errors into exit codes."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from types import FrameType, ModuleType

from rich.console import Console

from peprank.cli import process
from peprank.errors import ConfigError, PeprankError

VERBS = {
    "demo": "Make data, check, train, evaluate, export, predict, compare and report, in a few minutes.",
    "check": "List every mistake of a config, and of its data, at once.",
    "explain": "Print the model that a config means: tables, gates, parameters, arithmetic.",
    "train": "Train the model of a config; resumes where it was stopped.",
    "compare": "Train rivals on the same rows with the same seeds, and say who wins where, beyond noise.",
    "evaluate": "Measure a bundle or a trained model on labelled rows, per task and domain.",
    "gates": "Look at the gates of a model: which fields each domain turns up, which layers each task.",
    "importance": "Say how much a model needs each feature, per task and domain: shuffle it and judge anew.",
    "report": "Write one page that says how good a run is, which of several leads, or who wins a comparison.",
    "export": "Turn a checkpoint into a bundle that scores and proves itself.",
    "predict": "Score rows with a bundle.",
    "serve": "Answer requests for scores over HTTP, by the Open Inference Protocol.",
    "doctor": "Say what this machine and this installation can do, and what to mend.",
    "datasets": "Make training data from public logs, or made-up rows with a known truth.",
}
FAILED, BAD_CONFIG = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 our error, 2 bad usage or bad config, 130 ctrl-C.

    A server that has to be ended by force leaves with 3.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    process.settle()
    signal.signal(signal.SIGTERM, _terminate)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        args = _parser(arguments).parse_args(arguments)  # within: a verb takes seconds to import
        return int(args.run(args))
    except ConfigError as error:
        console.print(str(error), markup=False)
        return BAD_CONFIG
    except PeprankError as error:
        console.print(f"peprank: {error}", markup=False)
        return FAILED
    except BrokenPipeError:  # the reader of our output has gone, as in `peprank ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # a file that we write: no such folder, no right, disk full
        console.print(
            f"peprank: {error.filename}: {error.strerror}" if error.filename else f"peprank: {error}", markup=False
        )
        return FAILED
    except KeyboardInterrupt:
        console.print("peprank: stopped by ctrl-C", markup=False)
        return 128 + signal.SIGINT


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of all verbs; only the verb in use is imported, so that `check` never waits for torch."""
    parser = argparse.ArgumentParser(
        prog="peprank",
        description="Train, judge and serve personalised rankers over many domains and tasks.",
        epilog="Start with `peprank demo`. Each verb has its own --help with an example.",
    )
    parser.add_argument("--version", action="version", version=f"peprank {version('peprank')}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, what in VERBS.items():
        command = commands.add_parser(
            verb, help=what, description=what, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if verb in arguments[:1]:
            _module(verb).add_arguments(command)
    return parser


def _module(verb: str) -> ModuleType:
    """Import a verb. Modules leave no garbage behind; looking for some took 0.2 of 2.3 s (2026-11-21)."""
    gc.disable()
    try:
        return import_module(f"peprank.cli.{verb}")
    finally:
        gc.enable()


def _terminate(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM leaves like ctrl-C: training saves first."""
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
