"""A comparison made by hand: a winner, a reference, one that is worse somewhere, and one whose runs have failed."""

from __future__ import annotations

from peprank.compare import MEAN, Comparison, Curve, PairedTest, Place, Spread, Standing
from peprank.compare.results import Failure, TaskRows
from peprank.metrics.paired import Difference

NASTY = "<img src=x onerror=alert(1)>"  # the name of a model
TASKS, DOMAINS = ("click", "like"), ("1", "</script>")
_MEASURES = ("auc", "gauc", "logloss", "normalized_entropy", "calibration")


def paired_test(gain: float, p: float, *, against: str, measure: str = "gauc") -> PairedTest:
    """A test with an interval of 0.01 to both sides."""
    value = -gain if measure == "logloss" else gain
    difference = Difference(value=value, low=value - 0.01, high=value + 0.01, p=p, num_replicates=100)
    return PairedTest(against=against, difference=difference, p_holm=min(1.0, 2 * p), gain=gain)


def places(measure: str) -> list[Place]:
    return [Place(task, domain, measure) for task in (MEAN, *TASKS) for domain in (None, *DOMAINS)]


def standing(name: str, base: float, **changes: object) -> Standing:
    """All numbers are `base` and 0.002 more with the second seed; none is known of like in the second domain."""
    numbers = {place: Spread((base, base + 0.002)) for measure in _MEASURES for place in places(measure)}
    numbers[Place("like", DOMAINS[1], "gauc")] = Spread((None, base))
    whole = {
        "name": name,
        "model": f"network of {name}",
        "changes": (),
        "num_nets": 1,
        "dense_parameters": 1234,
        "embedding_parameters": 56_789,
        "multiply_adds": 4321,
        "train_s": (10.0, 20.0),
        "seeds": (1, 2),
        "failures": (),
        "numbers": numbers,
        "against_reference": {},
        "against_leader": {},
        "curves": tuple(map(curve, TASKS)),
    }
    return Standing(**{**whole, **changes})  # type: ignore[arg-type]


def curve(task: str) -> Curve:
    """Two bins and one point between the ends."""
    return Curve(
        task=task,
        rows=(50, 50),
        positives=(10, 30),
        mean_prob=(0.2, 0.5),
        false_positive_rate=(0.0, 0.3, 1.0),
        true_positive_rate=(0.0, 0.7, 1.0),
    )


def tests(gains: dict[Place, tuple[float, float]], against: str) -> dict[Place, PairedTest]:
    """Place -> (gain, p), made tests."""
    return {p: paired_test(*found, against=against, measure=p.measure) for p, found in gains.items()}


def contest() -> Comparison:
    """pepnet leads beyond noise, the nasty one is worse in one domain and one task, star has failed."""
    usual = {place: (0.005, 0.4) for measure in ("auc", "gauc", "logloss") for place in places(measure)}
    lead = {Place(MEAN, None, "gauc"): (0.02, 0.001), Place("click", None, "gauc"): (0.02, 0.01)}
    bad = usual | {Place(MEAN, DOMAINS[1], "gauc"): (-0.03, 0.004), Place("like", None, "gauc"): (-0.02, 0.006)}
    behind = tests({place: (-gain, p) for place, (gain, p) in lead.items()}, "pepnet")
    reasons = tuple(Failure(run=f"star, seed {seed}", reason="the loss is not finite") for seed in (1, 2))
    none: dict[str, object] = {"numbers": {}, "seeds": (), "train_s": (), "curves": (), "failures": reasons}
    return Comparison(
        config="base.config",
        made="2026-11-22T07:00:00+00:00",
        eval_rows=1000,
        seeds=(1, 2),
        tasks=tuple(TaskRows(name=task, positives=300, is_tested=True, counts=True) for task in TASKS),
        domain_column="tab",
        domains={DOMAINS[0]: 700, DOMAINS[1]: 300},
        measure="gauc",
        reference="single",
        is_matched=True,
        num_replicates=100,
        bounds={},
        standings=(
            standing("pepnet", 0.62, against_reference=tests(usual, "single"), against_leader=tests(lead, "single")),
            standing("single", 0.60, against_leader=behind),
            standing(NASTY, 0.59, against_reference=tests(bad, "single"), against_leader=behind),
            standing("star", 0.0, **none),
        ),
    )
