"""`peprank serve` as a process: what it prints, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import orjson
import pytest

from peprank.cli.main import main
from peprank.errors import SpecError
from peprank.serve.server import bind
from tests.promises import Reached, Times
from tests.serve.models import save_bundle
from tests.serve.processes import Process, command, served


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("process") / "tiny")


def test_the_command_that_is_printed_scores_a_row(bundle: Path) -> None:
    with served(bundle, "--port", 0) as server:
        done = subprocess.run(["bash", "-c", server.curl], capture_output=True, timeout=120, check=True)
        assert "tiny: version 1, step 12, tasks ctr, cvr" in server.said
        assert server.end(signal.SIGINT) == 0
    answer = orjson.loads(done.stdout)
    assert answer["model_name"] == "tiny"
    assert [output["name"] for output in answer["outputs"]] == ["probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr"]


class Caller(threading.Thread):
    """Ask again and again, on one connection as long as it lasts, until no connection can be had."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__()
        self.url, self.body = f"{url}/v2/models/tiny/infer", body
        self.statuses: list[int] = []
        self.faults: list[str] = []

    def run(self) -> None:
        with httpx.Client(timeout=120) as client:
            while True:
                try:
                    self.statuses.append(client.post(self.url, content=self.body).status_code)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    self.faults.append(repr(error))
                    return


@pytest.mark.promise("R-30", "servers stopped under load")
def test_sigterm_leaves_no_request_unanswered(bundle: Path, times: Times, reached: Reached) -> None:
    count = times(1, 100)
    num_answers = sum(stop_under_load(bundle) for _ in range(count))
    reached(f"{count} servers stopped under load, {num_answers:,} answers, 0 requests without one, exit code 0")


def stop_under_load(bundle: Path) -> int:
    """SIGTERM while four clients ask; gives the number of answers."""
    with served(bundle, "--port", 0, "--grace-s", 100) as server:
        callers = [Caller(server.url, server.body) for _ in range(4)]
        for caller in callers:
            caller.start()
        while any(len(caller.statuses) < 5 for caller in callers):
            time.sleep(0.05)
        began = time.monotonic()
        assert children(server.process.pid) == ""
        assert server.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 80
        for caller in callers:
            caller.join(120)
    assert [caller.faults for caller in callers] == [[], [], [], []]
    assert [set(caller.statuses) for caller in callers] == [{200}] * 4
    return sum(len(caller.statuses) for caller in callers)


def children(pid: int) -> str:
    """Ids of a process's children, where the system tells."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return path.read_text() if path.exists() else ""


HANGING = """
import sys
from threading import Event
from peprank.cli.main import main
from peprank.serve import queue

def hang(*_):
    print("hanging", file=sys.stderr, flush=True)
    Event().wait()

queue._score = hang
sys.exit(main(["serve", *sys.argv[1:]]))
"""


def test_a_thread_that_hangs_does_not_keep_the_server(bundle: Path) -> None:
    arguments = [sys.executable, "-c", HANGING, str(bundle), "--port", "0", "--grace-s", "0.1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        server = Process(process)
        with subprocess.Popen(["bash", "-c", server.curl], stdout=subprocess.PIPE, text=True) as client:
            while server.said[-1] != "hanging":
                time.sleep(0.05)
            code = server.end(signal.SIGTERM)
            answer = client.communicate()[0]
    said = "\n".join(server.said)
    assert code == 3
    assert answer == '{"error":"the server is being stopped"}'
    assert "Traceback" not in said
    assert " in hang\n" in said
    assert said.endswith(
        "peprank: ended by force 3.1 s after it was told to end; see above for MainThread, peprank-score_0"
    )


def test_a_server_that_is_asked_to_look_for_versions_goes_on(bundle: Path) -> None:
    with served(bundle, "--port", 0, "--poll-s", 0) as server:
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert httpx.get(f"{server.url}/v2/health/ready").json() == {"ready": True}
        busy = subprocess.run(
            command(bundle, "--port", httpx.URL(server.url).port),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert busy.returncode == 1
    assert busy.stderr.startswith(f"peprank: --port = {httpx.URL(server.url).port}: cannot be had at 127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "peprank: nowhere: is neither a bundle"),
        (["nowhere", "--port", "70000"], 1, "peprank: --port = 70000: must be 0 to 65,535"),
        (["nowhere", "--max-body", "16MB"], 2, "'16MB' is no size; write a number of bytes, or as in 512KiB"),
        (["nowhere", "--host", "192.0.2.1"], 1, "peprank: --port = 8080: cannot be had at 192.0.2.1"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["serve", *arguments])
    except SystemExit as leaving:  # argparse
        found = int(str(leaving.code))
    assert found == code
    assert said in capsys.readouterr().err


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SpecError, match="--host = 'nowhere': is no address of this machine"):
        bind("nowhere", 0)
