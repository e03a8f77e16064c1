"""The files of examples/serving, as far as they can be checked without a network: what they name is there."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from peprank.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "serving"
INSTRUCTIONS = {"FROM", "ARG", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def refused(arguments: list[str], models: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `serve` says with these options to a folder that holds no model; an option it does not know would exit."""
    verb, _, *options = arguments
    assert verb == "serve"
    assert main([verb, str(models), *options]) == 1
    return capsys.readouterr().err


def dockerfile() -> list[tuple[str, str]]:
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_copies_what_is_there_and_runs_as_nobody() -> None:
    steps = dockerfile()
    assert {word for word, _ in steps} == INSTRUCTIONS
    assert steps[0][0] == "FROM"
    assert re.fullmatch(r"python:3\.1[0-3]-slim-[a-z]+", steps[0][1])  # releases of both, so no `latest`
    sources = [source for word, rest in steps if word == "COPY" for source in shlex.split(rest)[:-1]]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert ("USER", "65534:65534") in steps


def test_the_dockerfile_installs_an_extra_that_there_is() -> None:
    (install,) = (rest for word, rest in dockerfile() if word == "RUN")
    (extra,) = re.findall(r'"/build\[(\w+)\]"', install)
    assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_the_dockerfiles_command_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = dict(dockerfile())
    assert json.loads(steps["ENTRYPOINT"]) == ["peprank"]
    command = json.loads(steps["CMD"])
    assert str(tmp_path / "models") in refused(command, tmp_path / "models", capsys)
    assert command[command.index("--port") + 1] == steps["EXPOSE"]


def test_the_dockerfile_asks_whether_the_server_is_ready() -> None:
    steps = dict(dockerfile())
    python, option, code = json.loads(steps["HEALTHCHECK"].partition("CMD ")[2])
    assert (python, option) == ("python", "-c")
    ast.parse(code)
    (port, path) = re.findall(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", code)[0]
    assert port == steps["EXPOSE"]
    assert path in (ROOT / "docs" / "serving.md").read_text()


def test_the_manifest_runs_a_command_and_asks_addresses_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest: dict[str, Any] = yaml.safe_load((FOLDER / "inference-service.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    (container,) = manifest["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container"
    assert all(isinstance(argument, str) for argument in container["args"])
    (tmp_path / "bundle.json").touch()
    assert "no model can be served\nkuairand, version 1: manifest.json" in refused(container["args"], tmp_path, capsys)
    (port,) = container["ports"]
    assert container["args"][container["args"].index("--port") + 1] == str(port["containerPort"])
    documented = (ROOT / "docs" / "serving.md").read_text()
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == port["containerPort"]
        assert container[probe]["httpGet"]["path"] in documented


def test_the_request_has_one_user_and_three_videos() -> None:
    request = json.loads((FOLDER / "request.json").read_text())
    rows = {item["name"]: item["shape"][0] for item in request["inputs"]}
    assert (rows["user_id"], rows["tab"], rows["video_id"]) == (1, 1, 3)
    assert set(rows.values()) == {1, 3}


def test_the_client_uses_names_that_tritonclient_has() -> None:
    """scripts/test-clients runs it with the real one, which cannot be installed beside our own packages."""
    tree = ast.parse((FOLDER / "client.py").read_text())
    names = {
        (node.module, alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {name for name in names if str(name[0]).startswith("tritonclient")} == {
        ("tritonclient.http", "InferenceServerClient"),
        ("tritonclient.http", "InferInput"),
        ("tritonclient.http", "InferRequestedOutput"),
        ("tritonclient.utils", "triton_to_np_dtype"),
    }
