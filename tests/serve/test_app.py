"""The whole server over HTTP: every address, every kind of error, and scores that are those of the library."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.routing import Route

from peprank.api import load
from peprank.infer import Precision
from peprank.serve.example import example_request
from peprank.serve.openapi import document
from peprank.serve.start import Running
from tests import tiny
from tests.serve.house import serving
from tests.serve.models import save_bundle

MODEL = "/v2/models/tiny"
INFER = f"{MODEL}/infer"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("serve") / "tiny")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Running]:
    with serving(bundle, admin_port=0, max_body_bytes=2**20, precision=Precision.FLOAT32) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.settings.url, timeout=30) as client:
        yield client


def raw(num: int, seed: int = 5) -> pa.RecordBatch:
    table = tiny.rows(num, seed).drop_columns(["click", "buy", "note"])
    return table.combine_chunks().to_batches()[0]


def request_of(server: Running, rows: pa.RecordBatch, **more: Any) -> dict[str, Any]:
    with server.repository.get("tiny") as model:
        return example_request(model, rows) | more


def outputs(answer: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    return {out["name"]: np.array(out["data"], np.float32).reshape(out["shape"]) for out in answer["outputs"]}


def binary_outputs(response: httpx.Response) -> dict[str, np.ndarray[Any, Any]]:
    length = int(response.headers["Inference-Header-Content-Length"])
    rest, found = response.content[length:], {}
    for out in json.loads(response.content[:length])["outputs"]:
        size = out["parameters"]["binary_data_size"]
        found[out["name"]] = np.frombuffer(rest[:size], "<f4").reshape(out["shape"])
        rest = rest[size:]
    assert rest == b""
    return found


def as_binary(request: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The same request with its tensors behind the JSON."""
    tail = b""
    for tensor in request["inputs"]:
        values = tensor.pop("data")
        if tensor["datatype"] == "BYTES":
            raw = b"".join(len(v).to_bytes(4, "little") + v for v in (str(value).encode() for value in values))
        else:
            numbers = [float("nan") if value is None else value for value in values]
            raw = np.array(numbers, {"INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}[tensor["datatype"]]).tobytes()
        tensor["parameters"] = {"binary_data_size": len(raw)}
        tail += raw
    head = json.dumps(request).encode()
    return head + tail, {"Inference-Header-Content-Length": str(len(head))}


def test_json_and_binary_give_the_scores_of_the_library(bundle: Path, server: Running, client: httpx.Client) -> None:
    rows = raw(200)
    expected = load(bundle).predict(pa.Table.from_batches([rows]))
    by_json = client.post(INFER, json=request_of(server, rows, id="42"))
    body, headers = as_binary(request_of(server, rows, parameters={"binary_data_output": True}))
    by_bytes = client.post(INFER, content=body, headers=headers)
    assert by_json.status_code == by_bytes.status_code == 200, by_json.text + by_bytes.text
    answer = by_json.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("tiny", "1", "42")
    for found in (outputs(answer), binary_outputs(by_bytes)):
        assert list(found) == expected.column_names
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name].to_numpy(), atol=1e-6, rtol=0)


def test_the_example_is_answered(server: Running, client: httpx.Client) -> None:
    with server.repository.get("tiny") as model:
        answer = client.post(f"{MODEL}/versions/1/infer", json=example_request(model))
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json())["probs_ctr"].shape == (1,)


def test_a_server_says_that_it_lives_and_is_ready(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.head("/v2/health/ready").status_code == 200


def test_a_server_says_what_it_is_and_has(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "peprank"
    assert client.get("/v2/models").json() == {"models": ["tiny"]}
    (entry,) = client.post("/v2/repository/index").json()
    assert (entry["name"], entry["version"], entry["state"]) == ("tiny", "1", "READY")


@pytest.mark.parametrize("place", [MODEL, f"{MODEL}/versions/1"])
def test_a_model_describes_itself(client: httpx.Client, place: str) -> None:
    about = client.get(place).json()
    assert (about["name"], about["versions"], about["platform"]) == ("tiny", ["1"], "peprank")
    assert [tensor["name"] for tensor in about["inputs"]] == ["user", "item", "tags", "tab", "price", "age"]
    assert {tensor["name"] for tensor in about["outputs"]} == {"probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr"}
    assert client.get(f"{place}/ready").json() == {"name": "tiny", "ready": True}
    assert client.get(f"{place}/config").json()["max_batch_size"] == 0
    assert client.get(f"{place}/stats").json()["model_stats"][0]["version"] == "1"


def test_what_is_served_is_counted(server: Running, client: httpx.Client) -> None:
    def rows_counted() -> int:
        (stats,) = client.get("/v2/models/stats").json()["model_stats"]
        return int(stats["inference_count"])

    before = rows_counted()
    assert client.post(INFER, json=request_of(server, raw(7))).status_code == 200
    assert rows_counted() == before + 7
    text = client.get("/metrics").text
    assert 'peprank_request_success_total{model="tiny",version="1"}' in text
    for stage in ("decode", "encode", "queue", "model", "reply"):
        assert re.search(rf'peprank_stage_seconds_count{{[^}}]*stage="{stage}"[^}}]*}} [1-9]', text), stage


def test_every_address_is_described_and_every_description_has_its_address(server: Running) -> None:
    from threading import Event

    from peprank.serve.app import create_app
    from peprank.serve.metrics import Metrics
    from peprank.serve.queue import ModelQueue, QueueSettings

    metrics = Metrics()
    queue = ModelQueue(QueueSettings(), metrics)
    app = create_app(server.repository, queue, metrics, server.settings, leaving=Event())
    routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    described = {(path, method) for path, calls in document("1")["paths"].items() for method in calls}
    assert {(path, method) for path, method in routes if method != "head"} == described


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/v2/models/other", 404, "other"),
        ("GET", "/v2/models/tiny/versions/7", 404, "7"),
        ("GET", "/v2/models/tiny/versions/%2e%2e", 404, ".."),
        ("POST", "/v2/models/other/infer", 404, "other"),
        ("GET", "/v2/models/..%2f..%2fetc/ready", 404, "no such address"),
        ("GET", "/v2/models/tiny/", 404, "no such address"),
        ("GET", INFER, 405, "GET is not served at this address"),
        ("POST", "/v2/health/live", 405, "POST is not served at this address"),
        ("DELETE", MODEL, 405, "DELETE is not served"),
        ("POST", INFER, 400, "not JSON"),
        ("POST", "/v2/repository/models/tiny/load", 403, "at the admin port only"),
        ("POST", "/v2/repository/models/tiny/unload", 403, "at the admin port only"),
    ],
)
def test_errors_are_one_sentence_in_json(client: httpx.Client, method: str, path: str, status: int, error: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert document.keys() == {"error"}
    assert error in document["error"]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"x" * (2**20 + 1), {}, 413, "1,048,576 bytes"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "'gzip' is not read here"),
        (b"<a/>", {"Content-Type": "application/xml"}, 415, "application/json"),
        (b"[]", {}, 400, "must be an object"),
        (b"null", {}, 400, "must be an object"),
        (b"[" * 100_000, {}, 400, "not JSON"),
        (b'{"inputs": NaN}', {}, 400, "not JSON"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, 400, "must be the number of bytes"),
    ],
)
def test_bad_bodies_are_refused(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = client.post(INFER, content=body, headers=headers)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"}), answer.text
    assert error in answer.json()["error"]


def test_a_request_that_may_not_wait_is_told_so(server: Running, client: httpx.Client) -> None:
    answer = client.post(INFER, json=request_of(server, raw(3), parameters={"timeout": 1}))
    assert answer.status_code == 504
    assert "deadline" in answer.json()["error"]


def test_models_are_controlled_at_the_admin_port_but_not_by_web_pages(server: Running) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.settings.admin_port}", timeout=30) as admin:
        load = "/v2/repository/models/tiny/load"
        assert admin.post(load, headers={"Origin": "http://evil.example"}).status_code == 403
        assert admin.post(load).status_code == 200
        assert admin.post("/v2/repository/models/other/load").status_code == 404
        assert admin.get(f"{MODEL}/ready").status_code == 200


def test_a_client_that_goes_away_is_counted_as_such(bundle: Path) -> None:
    with serving(bundle, max_batch_rows=1000, max_delay_ms=20_000, deadline_ms=30_000) as server:
        body = json.dumps(request_of(server, raw(2))).encode()
        head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.settings.port)) as leaver:
            leaver.sendall(head + body)
            assert wait_for(server, 'peprank_pending_requests{model="tiny",version="1"} 1.0')
        assert wait_for(server, r'peprank_request_failure_total{model="tiny",reason="CANCELED",version="1"} 1.0')
        assert wait_for(server, 'peprank_pending_requests{model="tiny",version="1"} 0.0')


def wait_for(server: Running, line: str) -> bool:
    """Whether /metrics says so before long."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if line in httpx.get(f"{server.settings.url}/metrics").text.splitlines():
            return True
        time.sleep(0.02)
    return False


def test_items_that_the_server_holds_are_named_by_key_and_follow_their_file(bundle: Path, tmp_path: Path) -> None:
    rows = raw(4)
    items = pa.table({name: rows.column(name) for name in ("item", "tags", "price")})
    path = tmp_path / "items.parquet"
    pq.write_table(items, path)
    expected = load(bundle).predict(pa.Table.from_batches([rows]))["probs_ctr"].to_numpy()
    with serving(bundle, items=path, item_key="item", poll_s=0.1, precision=Precision.FLOAT32) as server:
        with server.repository.get("tiny") as model:
            asked = example_request(model, rows)
        assert [tensor["name"] for tensor in asked["inputs"]] == ["item", "user", "tab", "age"]
        url = f"{server.settings.url}{INFER}"
        answer = httpx.post(url, json=asked).json()
        np.testing.assert_allclose(outputs(answer)["probs_ctr"], expected, atol=1e-6, rtol=0)
        pq.write_table(items.slice(0, 3), path)
        deadline = time.monotonic() + 20
        while "unknown_items" not in answer["parameters"] and time.monotonic() < deadline:
            time.sleep(0.1)
            answer = httpx.post(url, json=asked).json()
        assert answer["parameters"] == {"unknown_items": 1, "unknown_item_keys": rows.column("item")[3].as_py()}
        np.testing.assert_allclose(outputs(answer)["probs_ctr"][:3], expected[:3], atol=1e-6, rtol=0)


def test_an_item_key_that_golden_rows_lack_is_shown_as_missing(bundle: Path, tmp_path: Path) -> None:
    rows = raw(4)
    path = tmp_path / "items.parquet"
    pq.write_table(
        pa.table({"sku": [1, 2, 3, 4]} | {name: rows.column(name) for name in ("item", "tags", "price")}), path
    )
    with serving(bundle, items=path, item_key="sku") as server:
        with server.repository.get("tiny") as model:
            asked = example_request(model)
        answer = httpx.post(f"{server.settings.url}{INFER}", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["parameters"]["unknown_items"] == 1
