"""peprank serve: answer requests for scores over HTTP."""

from __future__ import annotations

import argparse
import logging
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from peprank.cli import process
from peprank.cli.extra import extra

if TYPE_CHECKING:
    from peprank.serve.start import Running

EPILOG = """example:
  peprank serve demo/bundle
  peprank serve models --port 8080 --threads 2 --max-batch-rows 2000 --max-delay-ms 1
  peprank serve demo/bundle --items items.parquet --item-key video_id
"""
_MARGIN_S = 3.0  # behind the grace, for what cannot be cut short, such as a batch that is being scored
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank serve`, called as the fields of `Settings`; what is not given keeps its default there."""
    parser.epilog = EPILOG
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument("path", type=Path, metavar="BUNDLE|REPOSITORY", help="or a folder of <name>/<version>/ bundles")
    _add_place(parser)
    _add_rows(parser)
    _add_scoring(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen at (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, help="0 takes one that is free (default: 8080)")
    parser.add_argument("--name", help="of a bundle's model (default: the folder's)")
    parser.add_argument("--keep-versions", type=int, metavar="N", help="of each model that answer (default: 1)")
    parser.add_argument("--admin-port", type=int, help="load and unload models here, from this machine (default: off)")
    parser.add_argument("--poll-s", type=float, help="look for new versions so often; 0: on SIGHUP only (default: 10)")
    parser.add_argument("--no-page", dest="page", action="store_false", help="no page at /, golden rows and gates")
    parser.add_argument("--access-log", action="store_true", help="a line of JSON for each request, on standard error")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rows")
    group.add_argument("--items", type=Path, metavar="FILE.parquet", help="item features; requests name the items only")
    group.add_argument("--item-key", metavar="COLUMN", help="the column of --items that names an item")
    group.add_argument(
        "--given",
        type=_names,
        metavar="COLUMNS",
        help="item columns that requests give all the same, such as '*_today'",
    )
    group.add_argument("--default-domain", metavar="VALUE", help="stands in for an unknown domain (default: refuse)")


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scoring")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bf16", "int8"),
        help="of the arithmetic; auto: bf16 where the processor has it and the golden rows bear it (default: auto)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="of the arithmetic (default: all processors but one)")
    group.add_argument(
        "--max-batch-rows", type=int, metavar="N", help="join requests up to so many rows (default: 0, off)"
    )
    group.add_argument(
        "--max-delay-ms", type=float, metavar="MS", help="a request waits for others so long (default: 0)"
    )
    group.add_argument("--max-queue-rows", type=int, metavar="N", help="rows that may wait (default: 16384)")
    group.add_argument(
        "--deadline-ms", type=float, metavar="MS", help="who has waited so long is sent away (default: 2000)"
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    option = partial(group.add_argument, type=_bytes, metavar="SIZE")
    option("--max-body", dest="max_body_bytes", help="of a request (default: 16MiB)")
    option("--max-bodies", dest="max_bodies_bytes", help="of all at once (default: 1.5 times that)")
    group.add_argument("--max-rows", type=int, metavar="N", help="candidates of a request (default: 10000)")
    group.add_argument("--max-requests", type=int, metavar="N", help="that are answered at once (default: 512)")
    option = partial(group.add_argument, type=float, metavar="S")
    option("--header-timeout-s", help="until a request's headers are here (default: 5)")
    option("--body-timeout-s", help="from there until its body is here (default: 10)")
    option("--grace-s", help="for requests under way when the server is stopped (default: 10)")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or ctrl-C."""
    with extra("serve"):
        from peprank.serve.settings import Settings
        from peprank.serve.start import serve
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = Settings(**_chosen(args))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    serve(settings, partial(_announce, console), on_leave=partial(process.end_within, settings.grace_s + _MARGIN_S))
    return 0


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of `Settings` that were given."""
    from peprank.infer import Precision

    chosen = {name: value for name, value in vars(args).items() if name not in ("verb", "run")}
    if chosen.get("precision") is not None:
        chosen["precision"] = None if chosen["precision"] == "auto" else Precision(chosen["precision"])
    return chosen


def _announce(console: Console, server: Running) -> None:
    """Say what is served where, and how to ask."""
    from peprank.serve.example import example_curl

    say = partial(console.print, markup=False)
    settings, repository = server.settings, server.repository
    for name in repository.names():
        with repository.get(name) as model:
            tasks = ", ".join(task.name for task in model.scorer.spec.model.tasks)
            say(f"{name}: version {model.version}, step {model.step}, tasks {tasks}")
    if settings.admin_port is not None:
        say(f"models are loaded and unloaded at http://127.0.0.1:{settings.admin_port}")
    say(f"serving at {settings.url}, ctrl-C stops; {'open it in a browser, or try' if settings.page else 'try'}:")
    with repository.get(repository.names()[0]) as model:
        say(f"  {example_curl(model, settings.url)}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _bytes(text: str) -> int:
    """Read a size such as 16MiB."""
    match = re.fullmatch(r"(\d+)(|KiB|MiB|GiB)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write a number of bytes, or as in 512KiB, 16MiB, 1GiB")
    return int(match[1]) * _UNITS[match[2]]
