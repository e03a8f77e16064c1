"""Encoded rows without a file."""

from __future__ import annotations

import torch

from peprank.batch import Features, Ids
from peprank.spec.model import ModelSpec


def random_ids(spec: ModelSpec, num_rows: int, seed: int = 1) -> Features:
    """Rows with one random id per feature; every feature of the plan reads a table."""
    draw = torch.Generator().manual_seed(seed)
    table_of = {item.feature: item.table for group in spec.groups for item in group.inputs}
    rows = {table.name: table.rows for table in spec.tables}
    ids = {
        feature: Ids(torch.randint(rows[str(table)], (num_rows,), generator=draw))
        for feature, table in table_of.items()
    }
    assert spec.domain is not None
    return Features(num_rows=num_rows, ids=ids, numbers={}, domain=ids[spec.domain.feature].values)
