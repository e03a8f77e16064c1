"""Settings that cannot be are refused by the name of their option."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from peprank.errors import SpecError
from peprank.serve.settings import Settings
from peprank.serve.start import default_threads


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("port", 65_536, "--port = 65536: must be 0 to 65,535"),
        ("admin_port", -1, "--admin-port = -1: must be 0 to 65,535"),
        ("threads", 0, "--threads = 0: must be 1 to 1,024"),
        ("max_body_bytes", 10, "--max-body = 10: must be 1,024 to 2,147,483,648"),
        ("max_bodies_bytes", 2**20, "--max-bodies = 1048576: must be --max-body (16777216) or more"),
        ("max_rows", 0, "--max-rows = 0: must be 1 to 2,147,483,648"),
        ("header_timeout_s", 0.0, "--header-timeout-s = 0.0: must be 0.1 to 86,400"),
        ("deadline_ms", float("nan"), "--deadline-ms = nan: must be 1 to 86,400,000"),
        ("items", Path("items.parquet"), "--items = 'items.parquet': goes with --item-key, its column of ids"),
        ("item_key", "video_id", "--item-key = 'video_id': goes with --items, the file that has this column"),
    ],
)
def test_what_cannot_be_is_refused_by_its_option(field: str, value: Any, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        Settings(path=Path("bundle"), **{field: value})
    assert str(refused.value) == message


def test_what_is_not_chosen_can_be() -> None:
    settings = Settings(path=Path("bundle"))
    assert settings.host == "127.0.0.1"
    assert settings.admin_port is None
    assert settings.bodies_bytes == 24 * 2**20
    assert len(fields(settings)) > 15


@pytest.mark.parametrize(("processors", "threads"), [(1, 1), (2, 1), (8, 7)])
def test_one_processor_is_left_to_the_rest_of_the_server(
    monkeypatch: pytest.MonkeyPatch, processors: int, threads: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: processors)
    assert default_threads() == threads
