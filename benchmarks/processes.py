"""One process whose layers share the cores, against one process per core that share the batch.

The processes exchange nothing here, so theirs is more than any real form of them could reach; what the exchange of
the dense gradients alone would take is measured beside it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist

from benchmarks import machine, workload
from benchmarks.section import Section, number, spread
from benchmarks.timing import in_turn, rates, ratios
from benchmarks.training import OurTraining
from peprank.cli.process import settle

_ONE, _MANY, _EXCHANGE = "one process", "one process per core", "exchange"


def run(quick: bool) -> list[Section]:
    """Time both on the same number of rows, in turn."""
    rounds, steps, num = (1, 1, 2) if quick else (3, 3, max(2, machine.num_cores()))
    work = workload.taobao(quick=quick)
    plan = work.plan()
    batch_rows = plan.data.batch_rows
    with (
        _workers(1, num, quick, batch_rows, steps) as one,
        _workers(num, 1, quick, batch_rows // num, steps) as many,
    ):
        calls = {
            _ONE: partial(_together, one, "step"),
            _MANY: partial(_together, many, "step"),
            _EXCHANGE: partial(_together, many, "exchange"),
        }
        seconds = in_turn(calls, rounds)
    rows = {name: rates(steps * batch_rows, seconds[name]) for name in (_ONE, _MANY)}
    exchange = [1e3 * s / steps for s in seconds[_EXCHANGE]]
    with_exchange = [s + e for s, e in zip(seconds[_MANY], seconds[_EXCHANGE], strict=True)]
    kept = rates(steps * batch_rows, with_exchange)
    return [
        Section(
            title=f"One process per core against threads, {work.name}",
            text=f"float32, {num} cores, {batch_rows:,} rows an update in both. The processes each take their share of "
            "the rows and exchange nothing; the exchange is one sum of the dense gradients over torch.distributed "
            "(gloo) and leaves out the tables' gradients, so the last line is still more than can be reached.",
            columns=("form", "rows/s", "ratio to one process"),
            rows=[
                (f"one process, {num} threads", spread(rows[_ONE]), "1"),
                (f"{num} processes, 1 thread each, no exchange", spread(rows[_MANY]), _ratio(rows[_MANY], rows[_ONE])),
                (
                    f"the same, and {number(median(exchange))} ms an update of exchange",
                    spread(kept),
                    _ratio(kept, rows[_ONE]),
                ),
            ],
        )
    ]


def _ratio(upper: Sequence[float], lower: Sequence[float]) -> str:
    return spread(ratios(upper, lower))


@contextmanager
def _workers(num: int, threads: int, quick: bool, batch_rows: int, steps: int) -> Iterator[list[Connection]]:
    """Processes that wait for a word and answer when they have done it."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe() for _ in range(num)]
        children = [
            context.Process(
                target=_work, args=(theirs, rank, num, threads, quick, batch_rows, steps, Path(folder) / "meeting")
            )
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for child in children:
            child.start()
        try:
            yield [ours for ours, _ in pipes]
        finally:
            for ours, _ in pipes:
                ours.close()
            for child in children:
                child.join()


def _together(workers: Sequence[Connection], word: str) -> None:
    for worker in workers:
        worker.send(word)
    for worker in workers:
        worker.recv()


def _work(
    orders: Connection, rank: int, num: int, threads: int, quick: bool, batch_rows: int, steps: int, meeting: Path
) -> None:
    """Do what is asked until nobody asks any more."""
    settle()
    torch.set_num_threads(threads)
    plan = workload.taobao(quick=quick).plan(f"data_config.batch_size={batch_rows}")
    batches, training = workload.batches(plan, steps), OurTraining(plan)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=num)
    num_dense = sum(value.numel() for _, value in training.learner.ranker.dense_parameters())
    gradients = torch.zeros(num_dense)
    try:
        while True:
            word = orders.recv()
            for batch in batches:
                if word == "step":
                    training.update(batch)
                else:
                    dist.all_reduce(gradients)
            orders.send("done")
    except EOFError:
        dist.destroy_process_group()
