"""What a comparison found: for each contender its numbers over the seeds, and where it beats or loses to the others."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final

from peprank.evaluation import Curves
from peprank.metrics.paired import Difference

FORMAT: Final = 1  # of the JSON; raised when an older reader would misread it
MEAN: Final = "mean"  # stands for a task: the mean over the tasks that count
_SIGNIFICANT: Final = 0.05


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What a number is about."""

    task: str  # MEAN: the mean over the tasks that count
    domain: str | None  # None: all rows
    measure: str  # "auc", "gauc", "logloss", "calibration" ...


@dataclass(frozen=True, slots=True)
class Spread:
    """One number of each seed; None where it is undefined."""

    values: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """None where a seed has no value."""
        known = [value for value in self.values if value is not None]
        return statistics.fmean(known) if known and len(known) == len(self.values) else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None for one seed."""
        known = [value for value in self.values if value is not None]
        return statistics.stdev(known) if len(known) == len(self.values) and len(known) > 1 else None


class State(Enum):
    """A contender against the reference, beyond the noise of users and seeds."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A paired test of two contenders."""

    against: str
    difference: Difference  # of the numbers as they are; see `gain`
    p_holm: float  # p, corrected for the domains (or tasks) that are read beside it
    gain: float  # the difference, with the sign turned where smaller is better

    @property
    def state(self) -> State:
        """Better or worse where the corrected p is below 0.05."""
        if self.p_holm >= _SIGNIFICANT or self.gain == 0:
            return State.SAME
        return State.BETTER if self.gain > 0 else State.WORSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that ended without scores."""

    run: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One task over all rows with the first seed: its calibration in K bins, and P points of its ROC."""

    task: str
    rows: tuple[int, ...]  # [K]
    positives: tuple[int, ...]  # [K]
    mean_prob: tuple[float, ...]  # [K]
    false_positive_rate: tuple[float, ...]  # [P]; () where one class is missing
    true_positive_rate: tuple[float, ...]  # [P]

    @staticmethod
    def of(curves: Curves) -> Curve:
        """The points in five digits."""
        bins, roc = curves.reliability, curves.roc
        return Curve(
            task=curves.task,
            rows=tuple(bins.rows.tolist()),
            positives=tuple(bins.positives.tolist()),
            mean_prob=tuple(bins.mean_prob.tolist()),
            false_positive_rate=tuple(roc.false_positive_rate.round(5).tolist()) if roc else (),
            true_positive_rate=tuple(roc.true_positive_rate.round(5).tolist()) if roc else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One contender."""

    name: str
    model: str  # such as "PEPNet, PAPER wiring"
    changes: tuple[str, ...]  # its own ones to the config, as --set takes them
    num_nets: int  # trained per seed
    dense_parameters: int  # of one net; of the largest where they differ
    embedding_parameters: int
    multiply_adds: int  # per row and net
    train_s: tuple[float, ...]  # per seed, all nets together
    seeds: tuple[int, ...]  # those of `numbers`: all of its runs are done
    failures: tuple[Failure, ...]
    numbers: Mapping[Place, Spread]
    against_reference: Mapping[Place, PairedTest]  # {} for the reference itself
    against_leader: Mapping[Place, PairedTest]  # all rows only; the leader's are against the runner-up
    curves: tuple[Curve, ...] = ()  # () without scores, and in files of earlier versions

    def seesaw(self, measure: str) -> dict[str, dict[str, State]]:
        """States against the reference: {"domains": {domain: state}, "tasks": {task: state}}."""
        tests = {place: test for place, test in self.against_reference.items() if place.measure == measure}
        return {
            "domains": {p.domain: t.state for p, t in tests.items() if p.domain is not None and p.task == MEAN},
            "tasks": {p.task: t.state for p, t in tests.items() if p.domain is None and p.task != MEAN},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRows:
    """A task and how many positives the judged rows have."""

    name: str
    positives: int | None  # None: not binary
    is_tested: bool  # binary, with enough positives and negatives
    counts: bool  # in the mean over tasks


@dataclass(frozen=True, slots=True)
class Bounds:
    """AUC of two scores that nobody is trained for, on made-up rows."""

    guess: float  # of the share of positives in the row's domain
    truth: float  # of the true probability: the best there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All contenders, best first."""

    config: str  # the base, or the first of the configs
    made: str  # date and time
    eval_rows: int
    seeds: tuple[int, ...]
    tasks: tuple[TaskRows, ...]
    domain_column: str | None
    domains: Mapping[str, int]  # name -> rows, largest first
    measure: str  # that ranks: "gauc", or "auc" without groups
    reference: str
    is_matched: bool  # dense parameters of all nets within a tenth of the base's
    num_replicates: int
    bounds: Mapping[Place, Bounds]  # {} for rows whose truth is not known
    standings: tuple[Standing, ...]

    def standing(self, name: str) -> Standing:
        """The contender called `name`."""
        return next(standing for standing in self.standings if standing.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "standings"}
        return {
            "format": FORMAT,
            **data,
            "tasks": [asdict(task) for task in self.tasks],
            "bounds": [asdict(place) | asdict(bounds) for place, bounds in self.bounds.items()],
            "standings": [_standing_to_json(standing) for standing in self.standings],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        """The comparison that `to_json` wrote, equal to the last bit."""
        rest = {name: data[name] for name in cls.__slots__}
        return cls(
            **{
                **rest,
                "seeds": tuple(data["seeds"]),
                "tasks": tuple(TaskRows(**task) for task in data["tasks"]),
                "bounds": {_place(entry): Bounds(entry["guess"], entry["truth"]) for entry in data["bounds"]},
                "standings": tuple(_standing_from_json(entry) for entry in data["standings"]),
            }
        )


def _standing_to_json(standing: Standing) -> dict[str, Any]:
    data = {name: getattr(standing, name) for name in standing.__slots__}
    return {
        **data,
        "failures": [asdict(failure) for failure in standing.failures],
        "numbers": [asdict(p) | {"values": list(s.values)} for p, s in standing.numbers.items()],
        "against_reference": list(_tests_to_json(standing.against_reference)),
        "against_leader": list(_tests_to_json(standing.against_leader)),
        "curves": [asdict(curve) for curve in standing.curves],
    }


def _tests_to_json(tests: Mapping[Place, PairedTest]) -> Iterator[dict[str, Any]]:
    for place, test in tests.items():
        yield asdict(place) | asdict(test) | {"state": test.state.value}


def _standing_from_json(data: Mapping[str, Any]) -> Standing:
    return Standing(
        **{
            **data,
            "changes": tuple(data["changes"]),
            "train_s": tuple(data["train_s"]),
            "seeds": tuple(data["seeds"]),
            "failures": tuple(Failure(**failure) for failure in data["failures"]),
            "numbers": {_place(entry): Spread(tuple(entry["values"])) for entry in data["numbers"]},
            "against_reference": _tests_from_json(data["against_reference"]),
            "against_leader": _tests_from_json(data["against_leader"]),
            "curves": tuple(_curve_from_json(entry) for entry in data.get("curves", ())),
        }
    )


def _tests_from_json(entries: Sequence[Mapping[str, Any]]) -> dict[Place, PairedTest]:
    return {
        _place(entry): PairedTest(
            against=entry["against"],
            difference=Difference(**entry["difference"]),
            p_holm=entry["p_holm"],
            gain=entry["gain"],
        )
        for entry in entries
    }


def _curve_from_json(entry: Mapping[str, Any]) -> Curve:
    points = {name: tuple(values) for name, values in entry.items() if name != "task"}
    return Curve(task=entry["task"], **points)


def _place(entry: Mapping[str, Any]) -> Place:
    return Place(entry["task"], entry["domain"], entry["measure"])
