"""A small trained run whose names try to break the page, and the page about it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import peprank
from peprank.report import write_runs
from tests import tiny

NASTY = "</script><script>alert(1)</script>"  # a domain whose name wants to run
MADE_AT = datetime(2026, 11, 22, 7, 30, tzinfo=timezone.utc)

CONFIG = tiny.CONFIG.replace("  pepnet {", '  domain_feature: "tab"\n  pepnet {').replace(
    'tower_name: "cvr"', 'tower_name: "cvr" task_space_indicator_label: "click"'
)


def rows(num: int, seed: int) -> pa.Table:
    """Rows of three tabs; the one of five rows has no positive."""
    table = tiny.rows(num, seed)
    tabs = [NASTY if k < 5 else tab for k, tab in enumerate(table["tab"].to_pylist())]
    labels = {name: [0 if k < 5 else y for k, y in enumerate(table[name].to_pylist())] for name in ("click", "buy")}
    for name, values in {"tab": tabs, **labels}.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


def trained(folder: Path) -> Path:
    """Train it; returns its model_dir."""
    config = tiny.write(folder, config=CONFIG + "# <b>& a comment\n")
    pq.write_table(rows(600, 1), folder / "train.parquet")
    pq.write_table(rows(300, 2), folder / "val.parquet")
    peprank.train(config, overrides=["train_config.log_step_count_steps=5", "train_config.save_checkpoints_steps=10"])
    return folder / "model"


def page_of_run(folder: Path) -> Path:
    """Train and report."""
    write_runs([trained(folder)], folder / "report.html", made_at=MADE_AT)
    return folder / "report.html"
