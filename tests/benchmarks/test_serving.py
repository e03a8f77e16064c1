"""The benchmark of serving: its clients against servers whose behaviour is known, and its quick form whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from benchmarks import serving
from benchmarks.serving import Asked
from benchmarks.serving_case import in_binary, in_json
from benchmarks.serving_load import Body, Load, closed_loop, open_loop
from peprank.serve import wire

_SLOW_S = 0.05


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that takes its time, one request after the other; gives its address."""
    one_by_one = threading.Lock()

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with one_by_one:
                time.sleep(_SLOW_S)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/infer"
        finally:
            server.shutdown()
            thread.join()


def test_what_waits_for_a_slow_server_counts_from_when_it_was_to_be_sent() -> None:
    # Due every 10 ms, the last after 50; answered every 50 ms, the last after 300 or later: it waited 250 at least.
    with answering(200) as url:
        load = open_loop(url, [Body(b"{}")], rate=100, num=6, connections=2)
    assert max(load.latencies_s) >= 6 * _SLOW_S - 0.05
    assert load.per_second <= 1 / _SLOW_S


def test_a_closed_loop_waits_for_its_answers() -> None:
    with answering(200) as url:
        load = closed_loop(url, [Body(b"{}")], num=3)
    assert load.seconds >= sum(load.latencies_s) >= 3 * _SLOW_S


def test_an_error_ends_the_measurement() -> None:
    with answering(503) as url, pytest.raises(RuntimeError, match=r"infer: status 503: \{\}"):
        open_loop(url, [Body(b"{}")], rate=100, num=50)


def test_a_quantile_wants_a_request_beyond_it() -> None:
    load = Load([0.001 * k for k in range(1, 101)], 1.0)
    assert load.quantile_ms(0.5) == pytest.approx(50.5)
    assert load.quantile_ms(0.99) == pytest.approx(99.01)
    assert load.quantile_ms(0.999) is None


def test_overhead_is_what_a_request_takes_beside_its_network() -> None:
    # 9 - 7 = 2, 30 - 25 = 5, 8 - 7 = 1: the median is 2. A mean of the network's times would say 9 - 13 = -4.
    alone, stages = Load([0.009, 0.030, 0.008], 0.05), [{"model": 7.0}, {"model": 25.0}, {"model": 7.0}]
    asked = Asked(
        threads=1, form="JSON", num_items=5, alone=alone, stages_ms=stages, at_rate=alone, rate=1.0, most=alone
    )
    assert asked.overhead_ms == pytest.approx(2.0)


def test_both_forms_mean_the_same_request() -> None:
    inputs = [
        {"name": "item", "shape": [2], "datatype": "INT64", "data": [3, -1]},
        {"name": "year", "shape": [2], "datatype": "INT64", "data": [3, None]},
        {"name": "tag", "shape": [2], "datatype": "BYTES", "data": ["a", "é"]},
        {"name": "price", "shape": [2], "datatype": "FP64", "data": [0.5, 1.5]},
    ]
    request = {"inputs": inputs, "outputs": [{"name": "probs_ctr"}]}
    json, binary = in_json(request), in_binary(request)
    assert orjson.loads(json.content) == request
    one, other = (wire.decode(body.content, body.json_length) for body in (json, binary))
    assert one.inputs == other.inputs
    assert [[output.is_binary for output in given.outputs] for given in (one, other)] == [[False], [True]]


def test_the_quick_form_shows_every_part() -> None:
    engine, server, start = serving.run(quick=True)
    assert [row[:2] for row in engine.rows] == [["1", "1"], ["1", "20"]]
    asked = [["1", "binary", "1"], ["1", "JSON", "1"], ["1", "binary", "20"], ["1", "JSON", "20"]]
    assert [row[:3] for row in server.rows] == asked
    assert [row[0] for row in start.rows][:3] == ["start to ready, s", "Rss, MB", "Pss, MB"]
    assert {aim.verdict for section in (server, start) for aim in section.aims} == {"not measured"}  # 500, 50 million
