"""The access log: one bounded line of JSON per request, whatever its stream does."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import orjson
import pytest

from peprank.errors import RequestError
from peprank.serve.access_log import AccessLog
from peprank.serve.metrics import Metrics
from tests.serve.house import serving
from tests.serve.models import save_bundle


def test_a_line_says_what_was_asked_how_it_ended_and_where_the_time_went() -> None:
    stream, clock = io.BytesIO(), iter([0.0, 1.0, 1.5, 2.25])
    metrics = Metrics(access_log=AccessLog(stream), clock=lambda: next(clock), now=lambda: 86400.0)
    with metrics.trip() as trip:
        trip.id, trip.model, trip.version = 'a"\n' + 100 * "b", "ctr", "4"
        with trip.stage("decode"):
            pass
    assert stream.getvalue().count(b"\n") == 1
    assert orjson.loads(stream.getvalue()) == {
        "time": "1970-01-02T00:00:00.000+00:00",
        "model": "ctr",
        "version": "4",
        "status": 200,
        "rows": 0,
        "ms": 2250.0,
        "stage_ms": {"decode": 500.0},
        "id": 'a"\n' + 61 * "b",
    }


@pytest.mark.parametrize(
    ("error", "status"), [(RequestError("no", status=404), 404), (ZeroDivisionError(), 500), (KeyboardInterrupt(), 500)]
)
def test_an_error_decides_the_status_and_passes_on(error: BaseException, status: int) -> None:
    stream = io.BytesIO()
    metrics = Metrics(access_log=AccessLog(stream))
    with pytest.raises(type(error)), metrics.trip():
        raise error
    assert orjson.loads(stream.getvalue())["status"] == status
    assert metrics.of("", "").statuses == {status: 1}


def test_a_stream_that_fails_costs_no_request() -> None:
    class Full(io.BytesIO):
        def write(self, line: object) -> int:  # noqa: ARG002
            raise OSError(28, "No space left on device")

    closed = io.BytesIO()
    closed.close()
    for stream in (Full(), closed):
        metrics = Metrics(access_log=AccessLog(stream))
        with metrics.trip():
            pass
        assert metrics.of("", "").statuses == {200: 1}


def test_a_server_logs_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(save_bundle(tmp_path / "tiny"), access_log=True) as running:
        httpx.post(f"{running.settings.url}/v2/models/tiny/infer", json={"id": "7"})
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if line.startswith("{")]
    assert orjson.loads(line).items() >= {"model": "tiny", "status": 400, "rows": 0}.items()
    assert out == ""
