"""`peprank serve` asked over HTTP at a fixed rate, and its network alone against the processor's own rate.

One request is one user with some candidates. Overhead is all of a request's time that is not the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

from benchmarks import workload
from benchmarks.arithmetic import table_bytes
from benchmarks.section import Aim, Section, number, spread
from benchmarks.serving_case import Case, case, in_binary, in_json
from benchmarks.serving_engine import BF16, ENGINE, INT8, ONNX, PLAIN, Times, measure
from benchmarks.serving_load import Body, Load, closed_loop, open_loop
from benchmarks.serving_process import Served, served

FORMS: Mapping[str, Callable[[Mapping[str, Any]], Body]] = {"binary": in_binary, "JSON": in_json}
_BODIES = 8  # different requests, sent in turn
_CONNECTIONS = 4  # for the most rows a second
_SHARE = 0.5  # of what one connection can ask, as the fixed rate
_AIMED = 500  # candidates that the aims for the overhead are about
_OVERHEAD_MS = {"binary": 1.5, "JSON": 3.0}
_KINDS = ("Rss", "Pss", "Shared_Clean", "Private_Clean", "Private_Dirty")
_READY_S, _READY_PARAMETERS = 5.0, 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    loads: Mapping[int, int]  # candidates -> requests at the fixed rate, as many as their quantiles want
    threads: Sequence[int]
    rounds: int
    call_s: float  # of one way of scoring in a round
    alone: int  # requests, one after the other


FULL = Effort(loads={1: 1100, 50: 300, 200: 150, 500: 110, 1000: 110}, threads=(1, 2), rounds=3, call_s=0.15, alone=25)
QUICK = Effort(loads={1: 5, 20: 5}, threads=(1,), rounds=1, call_s=0.0, alone=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What clients saw of one kind of request."""

    threads: int
    form: str
    num_items: int
    alone: Load  # one after the other
    stages_ms: Sequence[Mapping[str, float]]  # of each of these, in the server
    at_rate: Load
    rate: float  # requests a second
    most: Load  # as many as a few connections can ask

    @property
    def num_requests(self) -> int:
        """All that were sent, those to warm up included."""
        return _BODIES + sum(len(load.latencies_s) for load in (self.alone, self.at_rate, self.most))

    @property
    def overhead_ms(self) -> float:
        """What a request that is alone takes beside its network, p50."""
        pairs = zip(self.alone.latencies_s, self.stages_ms, strict=True)
        return median(1e3 * latency - stages["model"] for latency, stages in pairs)

    def stage_ms(self, stage: str) -> float:
        """What one stage of a request that is alone takes, p50."""
        return median(stages[stage] for stages in self.stages_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What was seen of a server with some threads, and of another of the same bundle that was started beside it."""

    asked: Sequence[Asked]
    ready_s: Sequence[float]  # of both
    memory: Sequence[Mapping[str, int]]  # of both, while both run


def run(quick: bool) -> list[Section]:
    """Measure the network alone, then the server with clients, its start and its memory."""
    effort = QUICK if quick else FULL
    works = [workload.taobao(quick=quick)] if quick else [workload.taobao(quick=quick), workload.kuairand(quick=quick)]
    cases = [case(work) for work in works]
    sections = [engine_section(case, effort) for case in cases]
    visits = [[_visit(case, threads, effort) for threads in effort.threads] for case in cases]
    sections += [server_section(*pair) for pair in zip(cases, visits, strict=True)]
    return [*sections, start_section(cases[0], visits[0])]


def engine_section(case: Case, effort: Effort) -> Section:
    """The network alone."""
    found = [
        times
        for threads in effort.threads
        for times in measure(case, tuple(effort.loads), threads, rounds=effort.rounds, seconds=effort.call_s)
    ]
    rounded = [way for way in (BF16, INT8) if way in found[0].by_way]
    heads = ("threads", "candidates", "floor, ms", "engine, ms", "over the floor")
    others = [f"{way}, ms" for way in (PLAIN, ONNX)] + ["engine over ONNX Runtime"]
    return Section(
        title=f"Scoring one user's candidates, {case.name}",
        text="float32, encoded rows to logits, in this process; p50. Floor: multiply-adds of all rows over the GEMM "
        "rate at the same precision and threads. The training forward is the model as it is trained, without "
        "gradients; ONNX Runtime runs what `peprank export --onnx` writes, tables included.",
        columns=(*heads, *others, *(head for way in rounded for head in (f"{way}, ms", f"{way}, over its floor"))),
        rows=[_engine_row(times, rounded) for times in found],
        aims=list(_engine_aims(case, found)),
    )


def _engine_row(times: Times, rounded: Sequence[str]) -> list[str]:
    ways = times.by_way
    cells = [spread(times.floors[ENGINE]), spread(ways[ENGINE]), spread(times.over_floor(ENGINE))]
    cells += [spread(ways[PLAIN]), spread(ways[ONNX]), spread(times.over(ENGINE, ONNX))]
    for way in rounded:
        cells += [spread(ways[way]), spread(times.over_floor(way))]
    return [str(times.threads), f"{times.num_items:,}", *cells]


def _engine_aims(case: Case, found: Sequence[Times]) -> Iterator[Aim]:
    """The worst of one thread's figures; with two threads a client of any kind would want one of them."""
    many = [times for times in found if times.threads == 1 and times.num_items >= 200]
    fifty = [times for times in found if times.threads == 1 and times.num_items == 50]
    for what, some, target in (("200 candidates and more", many, 1.1), ("50 candidates", fifty, 1.4)):
        ratios = _worst([times.over_floor(ENGINE) for times in some])
        yield Aim(f"scoring {what}, {case.name}, float32: time over the floor", target, ratios, at_most=True)
    against = _worst([times.over(ENGINE, ONNX) for times in found])
    yield Aim(f"scoring, {case.name}, float32: time over ONNX Runtime's, worst case", 1.0, against, at_most=True)
    bf16 = _worst([times.over_floor(BF16) for times in many if BF16 in times.by_way])
    remark = "" if bf16 else "this processor has no BF16"
    yield Aim(f"scoring 200 candidates and more, {case.name}, BF16: time over the floor", 1.25, bf16, "", True, remark)


def _worst(ratios: Sequence[Sequence[float]]) -> Sequence[float]:
    """Those with the greatest median; () if there are none."""
    return max(ratios, key=median, default=())


def _visit(case: Case, threads: int, effort: Effort) -> Visit:
    with served(case.bundle, threads=threads) as server:
        asked: list[Asked] = []
        for num_items, form in product(effort.loads, FORMS):
            before = sum(one.num_requests for one in asked)
            asked.append(
                _ask(server, case, effort, threads=threads, form=form, num_items=num_items, asked_before=before)
            )
        with served(case.bundle, threads=threads) as other:
            bodies = [in_binary(request) for request in case.requests(max(effort.loads), _BODIES)]
            closed_loop(other.infer_url, bodies, num=len(bodies))  # the same rows of the tables
            memory = [server.memory(), other.memory()]
        return Visit(asked=asked, ready_s=[server.ready_s, other.ready_s], memory=memory)


def server_section(case: Case, visits: Sequence[Visit]) -> Section:
    """Clients and the server."""
    found = [asked for visit in visits for asked in visit.asked]
    heads = (
        "threads",
        "form",
        "candidates",
        "alone: p50, ms",
        "network, ms",
        "overhead, ms",
        "decode / encode / reply, ms",
    )
    return Section(
        title=f"peprank serve over HTTP, {case.name}",
        text="float32. A client on the same machine; alone: one request after the other; network, decode, encode and "
        "reply: p50 by the server's access log; overhead: p50 of what a request takes beside its network. Then "
        "requests at a fixed rate, half of what one connection can ask, whatever becomes of those before; latency "
        "counts from the moment at which a request was to be sent. Then as many as "
        f"{_CONNECTIONS} connections can ask. A quantile stands only where a request is expected beyond it.",
        columns=(*heads, "rate, requests/s", "p50 / p99 / p99.9, ms", "most, candidates/s"),
        rows=[_asked_row(asked) for asked in found],
        notes=["With as many threads as cores the client takes its time from the server's."],
        aims=[_overhead_aim(case, found, form) for form in FORMS],
    )


def _ask(
    server: Served, case: Case, effort: Effort, *, threads: int, form: str, num_items: int, asked_before: int
) -> Asked:
    bodies = [FORMS[form](request) for request in case.requests(num_items, _BODIES)]
    url, num = server.infer_url, effort.loads[num_items]
    closed_loop(url, bodies, num=len(bodies))  # not counted
    alone = closed_loop(url, bodies, num=effort.alone)
    stages = [line["stage_ms"] for line in server.log(asked_before + len(bodies), effort.alone)]
    rate = _SHARE * alone.per_second
    return Asked(
        threads=threads,
        form=form,
        num_items=num_items,
        alone=alone,
        stages_ms=stages,
        rate=rate,
        at_rate=open_loop(url, bodies, rate=rate, num=num),
        most=closed_loop(url, bodies, num=max(1, num // 4), connections=_CONNECTIONS),
    )


def _asked_row(asked: Asked) -> list[str]:
    return [
        str(asked.threads),
        asked.form,
        f"{asked.num_items:,}",
        _ms(asked.alone.quantile_ms(0.5)),
        number(asked.stage_ms("model")),
        number(asked.overhead_ms),
        " / ".join(number(asked.stage_ms(stage)) for stage in ("decode", "encode", "reply")),
        number(asked.rate),
        " / ".join(_ms(asked.at_rate.quantile_ms(share)) for share in (0.5, 0.99, 0.999)),
        number(asked.num_items * asked.most.per_second),
    ]


def _ms(value: float | None) -> str:
    return "-" if value is None else number(value)


def _overhead_aim(case: Case, found: Sequence[Asked], form: str) -> Aim:
    """Of one thread: with two there is no core left for the client."""
    measured = [a.overhead_ms for a in found if (a.form, a.num_items, a.threads) == (form, _AIMED, 1)]
    name = f"server, {case.name}, {_AIMED} candidates in {form}: overhead at p50"
    return Aim(name, _OVERHEAD_MS[form], measured, "ms", at_most=True)


def start_section(case: Case, visits: Sequence[Visit]) -> Section:
    """Start of a server, and the memory of two that serve the same bundle."""
    ready = [seconds for visit in visits for seconds in visit.ready_s]
    memory = visits[0].memory
    parameters = sum(table.rows * table.dim for table in case.plan.model.tables)
    return Section(
        title=f"Start and memory of peprank serve, {case.name}",
        text=f"{parameters:,} embedding parameters, tables of {table_bytes(case.plan)[0] / 1e6:,.0f} MB; the bundle's "
        "files are in the system's cache. Ready: from the start of the process until `/v2/health/ready` says so, "
        f"median of {len(ready)}. Memory: of two servers of the same bundle at once, as Linux counts it: Pss counts a "
        "page that is shared by its part; clean pages are those of files, such as the tables'.",
        columns=("what", "first", "second"),
        rows=[
            ["start to ready, s", spread(ready[::2]), spread(ready[1::2])],
            *([f"{kind}, MB", *(number(of_one[kind] / 1e6) for of_one in memory)] for kind in _KINDS),
        ],
        aims=[_ready_aim(ready, parameters)],
    )


def _ready_aim(ready: Sequence[float], parameters: int) -> Aim:
    name = f"server, start to ready with {_READY_PARAMETERS / 1e6:.0f} million embedding parameters"
    measured = ready if parameters >= _READY_PARAMETERS else ()
    remark = "" if measured else "the tables are smaller in the quick form"
    return Aim(name, _READY_S, measured, "s", True, remark)
