"""What a plan means, in numbers and equations, before anything is trained."""

from __future__ import annotations

import torch

from peprank.models.build import build
from peprank.models.description import Description, GroupDescription, TableDescription, counted
from peprank.spec.embedding import TableSpec
from peprank.spec.model import ModelSpec


def describe(spec: ModelSpec) -> Description:
    """What the plan means; counted on the network itself, built without memory."""
    with torch.device("meta"):
        ranker = build(spec, seed=0)
    trunk = ranker.trunk.description([task.name for task in spec.tasks])
    towers = ranker.towers
    return Description(
        groups=tuple(
            GroupDescription(name=g.name, dim=g.dim, inputs=tuple((item.feature, item.dim) for item in g.inputs))
            for g in spec.groups
        ),
        tables=tuple(_table(table, spec) for table in spec.tables),
        model=trunk.model,
        equations=trunk.equations,
        gates=trunk.gates,
        parts=(
            *counted({"dense embeddings": [ranker.embeddings.dense]}, copies=spec.num_embedding_copies),
            *trunk.parts,
            *counted({"task towers": [towers]}, copies=towers.num_domains),
        ),
        num_tasks=spec.num_tasks,
        num_domain_towers=towers.num_domains,
    )


def _table(table: TableSpec, spec: ModelSpec) -> TableDescription:
    rows = spec.num_embedding_copies * table.rows
    readers = [item.feature for group in spec.groups for item in group.inputs if item.table == table.name]
    return TableDescription(
        name=table.name,
        rows=rows,
        dim=table.dim,
        num_bytes=rows * table.dim * (2 if table.is_half else 4),
        features=tuple(dict.fromkeys(readers)),
        trainable=table.trainable,
        is_per_domain=spec.num_embedding_copies > 1,
    )
