"""Every command, Python snippet and config fragment in README.md and docs/ runs as it stands.

Fenced blocks: `sh` lines run one after the other in a folder that holds `examples/`, the demo's output as `demo/`, and
made-up rows as `data/kuairand/`; `python` runs as a script; `protobuf` must be a fragment of a pipeline.config.
A block after the comment `<!-- not run: REASON -->` is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import text_format

from peprank.config.protos import pipeline_pb2

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md")))
FENCE = re.compile(r"(?P<skip><!-- not run: .+? -->\n)?```(?P<language>\w+)\n(?P<body>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    body: str
    line: int


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        if match["language"] in languages and not match["skip"]:
            yield Block(page, match["language"], match["body"], text.count("\n", 0, match.start("body")) + 1)


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(blocks(page, *languages))]


def commands(body: str) -> list[str]:
    """Lines of a shell block, continued ones joined, comments and empty ones left out."""
    lines = body.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def run(command: list[str], folder: Path, where: str) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{where}: {' '.join(command)}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder as the docs describe it."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "examples").symlink_to(ROOT / "examples")
    run(["peprank", "demo", "--rows", "20000", "--out", "demo"], folder, "fixture")
    (folder / "data").mkdir()
    (folder / "data" / "kuairand").symlink_to(folder / "demo" / "data")
    return folder


@pytest.mark.parametrize("page", pages_with("sh", "python"), ids=lambda page: page.name)
def test_commands_and_snippets_of_a_page_run_in_order(page: Path, folder: Path) -> None:
    ran = 0
    for block in blocks(page, "sh", "python"):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            run([sys.executable, "-c", block.body], folder, where)
            ran += 1
            continue
        for command in commands(block.body):
            run(["bash", "-c", command], folder, where)
            ran += 1
    assert ran > 0


@pytest.mark.parametrize("page", pages_with("protobuf"), ids=lambda page: page.name)
def test_config_fragments_of_a_page_parse(page: Path) -> None:
    for block in blocks(page, "protobuf"):
        try:
            text_format.Parse(block.body, pipeline_pb2.EasyRecConfig())
        except text_format.ParseError as error:
            pytest.fail(f"{page.name}:{block.line}: {error}")


def test_every_verb_is_in_the_docs_and_helps_itself() -> None:
    from peprank.cli.main import VERBS

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    for verb in VERBS:
        assert f"peprank {verb}" in text, f"no page shows `peprank {verb}`"
        done = subprocess.run(
            [sys.executable, "-m", "peprank", verb, "--help"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "example:" in done.stdout, f"`peprank {verb} --help` has no example"


def test_links_between_pages_lead_somewhere() -> None:
    checked = 0
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
                checked += 1
    assert checked > 0
