"""What was trained, by which config, and where the page was made."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from peprank.models import Description
from peprank.report import blocks
from peprank.report.blocks import Block, Code, Column, Fold, Section, Text, table_of

_PACKAGES = ("peprank", "torch", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config as its user wrote it, and what was changed from the command line."""

    text: str
    changes: tuple[str, ...]


def environment() -> dict[str, str]:
    """Versions, processor and threads of this process."""
    versions = {package: version(package) for package in _PACKAGES}
    return {
        **versions,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
    }


def model_section(model: Description) -> Section:
    """Parameters, arithmetic and equations."""
    parts = table_of(
        "Dense parts",
        model.parts,
        [
            (Column("Part", is_text=True), lambda part: blocks.words(part.name)),
            (Column("Parameters"), lambda part: blocks.count(part.parameters)),
            (Column("Multiply-adds a row"), lambda part: blocks.count(part.multiply_adds)),
        ],
    )
    text = (
        f"{model.model}: {model.dense_parameters:,} dense and {model.embedding_parameters:,} embedding parameters, "
        f"{model.multiply_adds:,} multiply-adds a row."
    )
    equations = Fold("Equations in force", (Code("\n".join(model.equations)),))
    return Section("model", "Model", (Text(text), parts, equations))


def config_section(config: Config, surroundings: dict[str, str]) -> Section:
    """The config's text, folded, and where the page was made."""
    changes: tuple[Block, ...] = ()
    if config.changes:
        changes = (Text("Changed from the command line:"), Code("\n".join(config.changes)))
    lines = config.text.count("\n")
    facts = table_of(
        "Where this page was made",
        list(surroundings.items()),
        [
            (Column("What", is_text=True), lambda item: blocks.words(item[0])),
            (Column("Which", is_text=True), lambda item: blocks.words(item[1])),
        ],
    )
    fold = Fold(f"The config, {lines:,} lines", (Code(config.text),))
    return Section("config", "Config and environment", (*changes, fold, facts))


def _processor() -> str:
    """The processor's own name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text("utf-8") if cpuinfo.is_file() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
