"""Ali-CCP's four files, small, written by the tests themselves, and a loop that reads them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Features = Sequence[tuple[str, int, float]]  # field, feature id, value


class Line(NamedTuple):
    """One impression."""

    key: str
    features: Features
    click: int = 0
    conversion: int = 0


def write_aliccp(root: Path, files: Mapping[str, tuple[Sequence[Line], Mapping[str, Features]]]) -> Path:
    """Write the impressions and common features of each split under `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for split, (lines, common) in files.items():
        (root / f"sample_skeleton_{split}.csv").write_text(
            "".join(
                f"{k},{line.click},{line.conversion},{line.key},{_joined(line.features)}\n"
                for k, line in enumerate(lines, start=1)
            )
        )
        (root / f"common_features_{split}.csv").write_text(
            "".join(f"{key},{_joined(features)}\n" for key, features in common.items())
        )
    return root


def many(num: int) -> dict[str, tuple[list[Line], dict[str, Features]]]:
    """As many impressions in each split, with every field, three scenarios, four users and clicks on both sides."""
    fields = ("205", "206", "207", "210", "216", "508", "509", "702", "853")
    lines = [
        Line(
            key=f"bacff{k % 4}",
            features=[("301", 9351665 + k % 3, 1.0), *((field, 4000000 + k % 5, 1.5) for field in fields)],
            click=k % 2,
        )
        for k in range(num)
    ]
    of_user = ("101", "121", "122", "124", "125", "126", "127", "128", "129", "109_14", "110_14", "127_14", "150_14")
    common: dict[str, Features] = {f"bacff{user}": [(field, 300 + user, 0.5) for field in of_user] for user in range(4)}
    return {"train": (lines, common), "test": (lines, common)}


def read_by_loop(
    lines: Sequence[Line], common: Mapping[str, Features], fields: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Raw id and value of each column, impression by impression; of a repeated field the last, None without one."""
    rows = []
    for line in lines:
        if line.conversion > line.click:
            continue
        last = {field: (number, value) for field, number, value in (*line.features, *common[line.key])}
        rows.append({column: last.get(field, (None, None)) for column, field in fields.items()})
    return rows


def _joined(features: Features) -> str:
    text = "\x01".join(f"{field}\x02{number}\x03{value}" for field, number, value in features)
    return f"{len(features)},{text}"
