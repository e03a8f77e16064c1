"""Whole comparisons on made-up rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank import api, config
from peprank.compare import (
    MEAN,
    PAGE,
    RESULTS,
    Comparison,
    Entry,
    Grid,
    Place,
    Settings,
    compare,
    from_base,
    from_files,
    joint_model,
    render,
    tuned,
    verdict,
)
from peprank.compare.runs import Outcome, Run
from peprank.errors import DataError, SpecError
from peprank.metrics import reliability
from tests import tiny


@dataclass
class Recorder:
    """A Watcher that keeps what it is told."""

    taken_over: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    judged_scores: tuple[int, int] | None = None

    def planned(self, runs: Sequence[Run], done: Mapping[Run, Outcome]) -> None:  # noqa: ARG002
        self.taken_over = len(done)

    def advanced(self, run: Run, share: float) -> None:  # noqa: ARG002
        assert 0 < share <= 1

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.outcomes[run.name] = outcome

    def judged(self, num_done: int, num_scores: int) -> None:
        self.judged_scores = (num_done, num_scores)


def entries(*models: str) -> list[Entry]:
    return [Entry(name=model, model=model) for model in models]


def settings(out: Path, reference: str, **changes: object) -> Settings:
    made = Settings(config="tiny.config", out=out, seeds=(1, 2), reference=reference, jobs=1, num_replicates=50)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    tiny.write(folder, train_rows=900, val_rows=600)
    return folder


@pytest.fixture(scope="module")
def compared(folder: Path) -> tuple[Comparison, Recorder]:
    """Two joint models, trees, and one with a net per domain and task, with two seeds."""
    spec, contenders = from_base(folder / "tiny.config", entries("pepnet", "shared_bottom", "trees", "single"))
    recorder = Recorder()
    made = settings(folder / "out", "single", pool_below=10)
    return compare(spec, contenders, made, recorder), recorder


def test_every_contender_has_numbers_for_each_task_domain_and_seed(compared: tuple[Comparison, Recorder]) -> None:
    comparison, recorder = compared
    assert len(recorder.outcomes) == 2 * (1 + 1 + 1 + 2 * 2)
    assert {standing.name for standing in comparison.standings} == {"pepnet", "shared_bottom", "trees", "single"}
    for standing in comparison.standings:
        assert standing.seeds == (1, 2)
        assert not standing.failures
        assert len(standing.train_s) == 2
        for task in ("ctr", "cvr"):
            for domain in (None, "home", "search"):
                for measure in ("auc", "gauc", "logloss", "calibration"):
                    assert standing.numbers[Place(task, domain, measure)].mean is not None
    assert comparison.domains == {"home": comparison.domains["home"], "search": 600 - comparison.domains["home"]}
    assert [task.counts for task in comparison.tasks] == [True, True]


def test_numbers_are_those_of_evaluate(folder: Path, compared: tuple[Comparison, Recorder]) -> None:
    scorer = api.load(folder / "out" / "runs" / "pepnet" / "all" / "seed-2" / "model", checkpoint="latest")
    results = api.evaluate(scorer, folder / "val.parquet")
    pepnet = compared[0].standing("pepnet").numbers
    for cell in results.cells:
        for measure, value in cell.measures.items():
            place = Place(cell.task, None if cell.column is None else cell.segment, measure)
            assert pepnet[place].values[1] == pytest.approx(value.value, abs=1e-9)


def test_curves_are_those_of_the_first_seed(folder: Path, compared: tuple[Comparison, Recorder]) -> None:
    model_dir = joint_model(folder / "out", "shared_bottom", 1)
    assert model_dir is not None
    scorer, rows = api.load(model_dir, checkpoint="latest"), pq.read_table(folder / "val.parquet")
    curves = {curve.task: curve for curve in compared[0].standing("shared_bottom").curves}
    assert list(curves) == ["ctr", "cvr"]
    bins = reliability(np.asarray(scorer.predict(rows)["probs_cvr"]), np.asarray(rows["buy"]))
    assert curves["cvr"].rows == tuple(bins.rows)
    assert curves["cvr"].positives == tuple(bins.positives)
    np.testing.assert_allclose(curves["cvr"].mean_prob, bins.mean_prob, atol=1e-6)
    points = curves["cvr"].false_positive_rate, curves["cvr"].true_positive_rate
    auc = compared[0].standing("shared_bottom").numbers[Place("cvr", None, "auc")].values[0]
    assert np.trapezoid(points[1], points[0]) == pytest.approx(auc, abs=2e-3)


def test_only_a_net_for_all_rows_and_tasks_has_a_joint_model(
    folder: Path, compared: tuple[Comparison, Recorder]
) -> None:
    assert compared
    assert joint_model(folder / "out", "pepnet", 2) == folder / "out" / "runs" / "pepnet" / "all" / "seed-2" / "model"
    assert joint_model(folder / "out", "single", 1) is None
    assert joint_model(folder / "elsewhere", "pepnet", 1) is None


def test_results_without_curves_can_still_be_read(compared: tuple[Comparison, Recorder]) -> None:
    data = json.loads(json.dumps(compared[0].to_json()))
    assert Comparison.from_json(data) == compared[0]
    for standing in data["standings"]:
        del standing["curves"]
    assert all(standing.curves == () for standing in Comparison.from_json(data).standings)


def test_nets_per_domain_and_task_score_their_own_rows(folder: Path, compared: tuple[Comparison, Recorder]) -> None:
    """The single model's AUC in a domain is that of the net trained on this domain alone."""
    run = folder / "out" / "runs" / "single cvr" / "domain=search" / "seed-1" / "model"
    rows = pq.read_table(folder / "val.parquet")
    search = rows.filter(pa.compute.equal(rows["tab"], "search"))
    cell = next(api.evaluate(api.load(run, checkpoint="latest"), search).select(task="cvr"))
    place = Place("cvr", "search", "auc")
    assert compared[0].standing("single").numbers[place].values[0] == pytest.approx(
        cell.measures["auc"].value, abs=1e-9
    )


def test_a_second_call_takes_over_what_is_done(folder: Path, compared: tuple[Comparison, Recorder]) -> None:
    spec, contenders = from_base(folder / "tiny.config", entries("pepnet", "shared_bottom", "trees", "single"))
    recorder = Recorder()
    again = compare(spec, contenders, settings(folder / "out", "single", pool_below=10), recorder)
    assert (recorder.taken_over, recorder.outcomes) == (14, {})
    assert recorder.judged_scores == (8, 8)
    assert replace(again, made=compared[0].made) == compared[0]


def test_json_says_all_of_it(folder: Path, compared: tuple[Comparison, Recorder]) -> None:
    text = (folder / "out" / RESULTS).read_text()
    kept = Comparison.from_json(json.loads(text))
    assert replace(kept, made=compared[0].made) == compared[0]
    assert "NaN" not in text


def test_the_leader_is_first_and_the_reference_has_no_seesaw_against_itself(
    compared: tuple[Comparison, Recorder],
) -> None:
    comparison = compared[0]
    means = [standing.numbers[Place(MEAN, None, "gauc")].mean for standing in comparison.standings]
    assert means == sorted(means, key=lambda mean: -(mean or 0))
    assert comparison.standing("single").against_reference == {}
    first = comparison.standings[0]
    test = first.against_leader[Place(MEAN, None, "gauc")]
    assert test.against == comparison.standings[1].name
    assert test.gain == pytest.approx((means[0] or 0) - (means[1] or 0))


def test_it_can_be_read(compared: tuple[Comparison, Recorder]) -> None:
    lines = verdict(compared[0])
    assert lines[0].startswith(f"{compared[0].standings[0].name} is first with a mean GAUC over ctr, cvr")
    told = [name for line in lines[1:] for name in line.partition(": ")[0].split(", ")]
    assert sorted(told) == sorted(standing.name for standing in compared[0].standings)
    assert len(render(compared[0])) == 6


def test_a_failed_run_is_shown_and_ends_nothing_else(folder: Path, tmp_path: Path) -> None:
    spec, contenders = from_base(folder / "tiny.config", entries("pepnet", "shared_bottom"))
    net = contenders[1].nets[0]
    broken = replace(net, text=net.text.replace("hidden_units: 8", "hidden_units: 0"))
    comparison = compare(
        spec, [contenders[0], replace(contenders[1], nets=(broken,))], settings(tmp_path, "pepnet"), Recorder()
    )
    standing = comparison.standing("shared_bottom")
    assert comparison.standings[-1] is standing
    assert [failure.run for failure in standing.failures] == ["shared_bottom, seed 1", "shared_bottom, seed 2"]
    assert "hidden_units" in standing.failures[0].reason
    assert standing.numbers == {}
    assert comparison.standing("pepnet").seeds == (1, 2)
    assert any(line.startswith("shared_bottom: no scores; shared_bottom, seed 1: ") for line in verdict(comparison))


def test_configs_are_compared_as_they_are(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "wide.config"
    other.write_text(
        (folder / "tiny.config").read_text().replace("ppnet_hidden_units: [8, 4]", "ppnet_hidden_units: [12]")
    )
    spec, contenders = from_files([folder / "tiny.config", other])
    assert [contender.name for contender in contenders] == ["tiny", "wide"]
    comparison = compare(spec, contenders, settings(tmp_path / "out", "tiny", seeds=(3,)), Recorder())
    assert comparison.standing("wide").against_reference[Place("ctr", None, "auc")].against == "tiny"
    assert comparison.standing("wide").numbers[Place("ctr", None, "auc")].deviation is None


def test_what_cannot_be_compared_is_refused(folder: Path, tmp_path: Path) -> None:
    base = folder / "tiny.config"
    with pytest.raises(SpecError, match=r"mmeo.*did you mean 'mmoe'"):
        from_base(base, entries("mmeo"))
    with pytest.raises(SpecError, match="after a model comes @domain, @task"):
        from_base(base, entries("mmoe@tab"))
    with pytest.raises(SpecError, match="twice"):
        from_base(base, entries("mmoe", "mmoe"))
    spec, contenders = from_base(base, entries("pepnet"))
    with pytest.raises(SpecError, match="reference = 'single': is none of pepnet"):
        compare(spec, contenders, settings(tmp_path, "single"), Recorder())
    with pytest.raises(SpecError, match="mean-over = 'buy': is none of ctr, cvr"):
        compare(spec, contenders, settings(tmp_path, "pepnet", mean_over=("buy",)), Recorder())
    with pytest.raises(DataError, match="needs rows to judge by"):
        compare(replace(spec, eval_inputs=()), contenders, settings(tmp_path, "pepnet"), Recorder())
    other = tmp_path / "other.config"
    other.write_text(base.read_text().replace('"ctr"', '"click"'))
    with pytest.raises(SpecError, match="has other tasks"):
        from_files([base, other])


def test_matched_nets_have_the_budget(folder: Path) -> None:
    names = ["pepnet", "shared_bottom", "mmoe", "ple", "ple_md", "hmoe", "m3oe", "single", "epnet", "ppnet"]
    _, contenders = from_base(folder / "tiny.config", entries(*names), match=True)
    budget = contenders[0].nets[0].dense_parameters
    for contender in contenders:
        for net in contender.nets:
            assert abs(net.dense_parameters - budget) <= 0.1 * budget, contender.name


def test_a_search_takes_for_each_rival_what_is_best_for_it(folder: Path, tmp_path: Path) -> None:
    grid = Grid(
        field="train_config.dense_optimizer.adam_optimizer.lr",
        values=("0.00001", "0.01"),
        train_input=str(folder / "train.parquet"),
        eval_input=str(folder / "val.parquet"),
        seeds=(1,),
    )
    made = settings(tmp_path, "pepnet")
    found = tuned(folder / "tiny.config", entries("pepnet", "mmoe", "trees"), grid, made, Recorder())
    searched = Comparison.from_json(json.loads((tmp_path / "tuning" / RESULTS).read_text()))
    assert found[2] == Entry(name="trees", model="trees")
    for entry in found[:2]:
        places = {value: searched.standing(f"{entry.name} {value}").numbers for value in grid.values}
        means = {value: numbers[Place(MEAN, None, "gauc")].mean or 0 for value, numbers in places.items()}
        assert entry.changes == (f"{grid.field}={max(means, key=means.__getitem__)}",)


def test_a_variant_is_the_base_with_changes(folder: Path) -> None:
    change = "train_config.dense_optimizer.adam_optimizer.lr=0.5"
    variant = Entry(name="fast", model="pepnet", changes=(change, "model_config.pepnet.epnet_gamma=3"))
    _, (contender,) = from_base(folder / "tiny.config", [variant])
    message = config.parse(contender.nets[0].text, "c").message
    assert message.train_config.dense_optimizer.adam_optimizer.lr == 0.5
    assert message.model_config.pepnet.epnet_gamma == 3
    assert contender.name == "fast"


def test_gaps_to_the_truth_are_told_where_it_is_known(folder: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    part = {"rows": 600, "positives": 9, "constant_auc": 0.5, "oracle_auc": 0.9}
    parts = {"ctr": {"all": part, "home": part, "search": part}, "cvr": {"all": part, "home": part}}
    truth.write_text(json.dumps({"tasks": parts}))
    spec, contenders = from_base(folder / "tiny.config", entries("trees"))
    made = settings(tmp_path / "out", "trees", seeds=(1,), truth=truth)
    comparison = compare(spec, contenders, made, Recorder())
    numbers = comparison.standings[0].numbers
    places = [
        (("ctr", None),),
        (("cvr", None),),
        (("ctr", "home"), ("cvr", "home")),
    ]  # of cvr in search no bound is known
    means = [fmean(numbers[Place(*at, "auc")].mean or 0 for at in each) for each in places]
    closed = " | ".join(f"{(auc - 0.5) / 0.4:.1%}" for auc in means)
    assert f"| trees | {closed} |\n" in (tmp_path / "out" / PAGE).read_text()
    assert Comparison.from_json(json.loads((tmp_path / "out" / RESULTS).read_text())) == comparison
    truth.write_text("{}")
    with pytest.raises(DataError, match=r"is no truth\.json of made-up rows"):
        compare(spec, contenders, made, Recorder())
