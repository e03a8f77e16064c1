"""POST .../explain tells what peprank's own gate functions tell, bounded like scoring; .../form holds golden rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.evaluation.look import glance_at_gates
from peprank.models import build
from peprank.serve.example import example_request
from peprank.serve.form import form_of
from peprank.serve.inputs import info_of
from peprank.serve.start import Running
from tests import tiny
from tests.serve.house import serving
from tests.serve.models import SOURCE

_TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: [4] } losses { binary_cross_entropy {} } }
    task_towers { tower_name: "cvr" label_name: "buy" mlp { hidden_units: [4] } losses { binary_cross_entropy {} } }
  }
}
"""
_GROUPS = tiny.CONFIG.partition("  pepnet {")[0]
_TWO_GROUPS = _GROUPS.partition('  feature_groups {\n    group_name: "all"')[0]
_ALL = """
  feature_groups {
    group_name: "all" feature_names: ["user", "item", "tags", "tab", "price", "age"] group_type: DEEP
  }
"""
PLANS = {
    "paper": tiny.CONFIG,
    "tzrec": tiny.CONFIG.replace("wiring: PAPER", "wiring: TZREC"),
    "mmoe": _TWO_GROUPS + _ALL + "  mmoe { expert_mlp { hidden_units: [6] } num_expert: 3" + _TOWERS,
    "shared": _TWO_GROUPS + _ALL + "  shared_bottom { bottom_mlp { hidden_units: [6] }" + _TOWERS,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    for name, config in PLANS.items():
        source = ConfigSource(text=config, assets={})
        weights = build(source.lower().spec.model, seed=3).weights()
        rng = np.random.default_rng(1)
        for value in weights.values():  # far from the start, where gates hardly move
            value += 0.3 * value.new_tensor(rng.standard_normal(tuple(value.shape)))
        bundles.save(folder / name / "1", source, weights, tiny.rows(64), step=12)
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.settings.url, timeout=30) as client:
        yield client


def explained(client: httpx.Client, server: Running, name: str, rows: slice) -> list[dict[str, Any]]:
    with server.repository.get(name) as model:
        request = example_request(model, model.golden_rows.slice(rows.start, rows.stop - rows.start))
    answer = client.post(f"/v2/models/{name}/explain", json=request | {"id": "7"})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["model_name"], document["model_version"], document["id"]) == (name, "1", "7")
    gates: list[dict[str, Any]] = document["gates"]
    return gates


@pytest.mark.parametrize(("name", "num_gates"), [("paper", 7), ("tzrec", 5), ("mmoe", 2), ("shared", 0)])
def test_gates_of_a_row_are_those_of_the_library(
    client: httpx.Client, server: Running, name: str, num_gates: int
) -> None:
    found = explained(client, server, name, slice(0, 5))
    assert len(found) == num_gates
    for row in range(5):
        with server.repository.get(name) as model:
            features = model.scorer.encoder.features(model.golden_rows.slice(row, 1))
            expected = glance_at_gates(model.scorer.ranker, features, model.scorer.spec.model) if found else ()
        for told, gate in zip(found, expected, strict=True):
            assert (told["name"], told["layer"], told["task"]) == (gate.name, gate.layer, gate.task)
            assert (told["gamma"], told["neutral"], told["units"]) == (gate.gamma, gate.neutral, gate.units)
            assert [cell["part"] for cell in told["cells"]] == [cell.part for cell in gate.cells]
            for number in ("mean", "moved"):
                values = [cell[number][row] for cell in told["cells"]]
                assert values == pytest.approx([getattr(cell, number) for cell in gate.cells], abs=3e-6)


def test_rows_are_told_apart_and_do_not_depend_on_each_other(client: httpx.Client, server: Running) -> None:
    together = explained(client, server, "paper", slice(0, 3))
    alone = explained(client, server, "paper", slice(1, 2))
    for many, one in zip(together, alone, strict=True):
        for cell, other in zip(many["cells"], one["cells"], strict=True):
            assert cell["mean"][1] == pytest.approx(other["mean"][0], abs=2e-6)
            assert len(set(cell["mean"])) > 1


def test_more_rows_than_may_be_explained_are_refused(client: httpx.Client, server: Running) -> None:
    rows = tiny.rows(101).drop_columns(["click", "buy", "note"]).combine_chunks().to_batches()[0]
    with server.repository.get("paper") as model:
        request = example_request(model, rows)
    answer = client.post("/v2/models/paper/explain", json=request)
    assert answer.status_code == 413
    assert answer.json() == {"error": "the request has 101 rows; gates are told of 100 at a time"}


@pytest.mark.parametrize(
    ("address", "body", "status", "error"),
    [
        ("/v2/models/paper/explain", b"[]", 400, "must be an object"),
        ("/v2/models/other/explain", b"{}", 404, "other"),
        ("/v2/models/paper/versions/1/explain", b'{"inputs": []}', 400, "inputs is missing or empty"),
    ],
)
def test_bad_requests_are_refused_as_for_scores(
    client: httpx.Client, address: str, body: bytes, status: int, error: str
) -> None:
    answer = client.post(address, content=body)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert error in answer.json()["error"]


def test_who_may_not_wait_is_told_so(client: httpx.Client, server: Running) -> None:
    with server.repository.get("paper") as model:
        request = example_request(model) | {"parameters": {"timeout": 1}}
    answer = client.post("/v2/models/paper/explain", json=request)
    assert answer.status_code == 504


def test_looking_at_gates_counts_no_scores(client: httpx.Client, server: Running) -> None:
    explained(client, server, "tzrec", slice(0, 1))
    text = client.get("/metrics").text
    assert re.search(r'peprank_request_success_total\{model="tzrec",version="1"\} [1-9]', text)
    assert not [line for line in text.splitlines() if line.startswith("peprank_score_") and 'model="tzrec"' in line]


def test_a_form_has_the_inputs_by_side_and_the_golden_rows(client: httpx.Client) -> None:
    form = client.get("/v2/models/paper/form").json()
    assert (form["name"], form["version"], form["step"], len(form["rows"])) == ("paper", "1", 12, 64)
    sides = {tensor["name"]: tensor["side"] for tensor in form["inputs"]}
    assert sides == {
        "user": "user", "item": "item", "tags": "item", "tab": "context", "price": "item", "age": "user",
    }  # fmt: skip
    metadata = client.get("/v2/models/paper").json()["inputs"]
    assert [{key: tensor[key] for key in ("name", "datatype", "shape")} for tensor in form["inputs"]] == metadata
    assert next(tensor["choices"] for tensor in form["inputs"] if tensor["name"] == "tab") == ["home", "search"]


def test_cells_of_a_form_are_text_that_loses_nothing() -> None:
    rows = pa.record_batch(
        {
            "id": pa.array([2**63 - 1, None], pa.int64()),
            "price": pa.array([0.1, None], pa.float32()),
            "word": pa.array([b"\xff\xfe", None], pa.binary()).view(pa.string()),
            "tags": pa.array([["a", None], None], pa.list_(pa.string())),
        }
    )
    infos = [info_of(field.name, field.type) for field in rows.schema] + [info_of("key", pa.int64())]
    form = form_of(SOURCE.lower().spec, infos, rows)
    assert form["rows"] == [
        {"id": "9223372036854775807", "price": "0.1", "word": "��", "tags": ["a", None], "key": None},
        {"id": None, "price": None, "word": None, "tags": [], "key": None},
    ]
