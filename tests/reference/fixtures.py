"""TorchEasyRec's recorded PEPNets: plans, inputs and weights of the `.npz` files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from peprank.batch import Features, Ids
from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.feature import Pooling
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.trunk import EPNetSpec, PEPNetSpec, PPNetSpec
from tests.shared import SHARED

CASES = ("epnet_ppnet", "epnet_ppnet_domain_towers", "no_domain", "no_uia")
TRAJECTORY = "trainsteps_adagrad_adam_fused"


@dataclass(frozen=True)
class Fixture:
    """One recorded file."""

    arrays: dict[str, np.ndarray]
    spec: ModelSpec

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Arrays whose key starts with the prefix, without it."""
        return {
            key.removeprefix(prefix): torch.from_numpy(value)
            for key, value in self.arrays.items()
            if key.startswith(prefix)
        }

    def features(self, prefix: str = "") -> Features:
        """The encoded inputs below `prefix`."""
        sparse = {k.split("/")[0] for k in self.tensors(f"{prefix}in/sparse/")}
        ids = {name: self._ids(f"{prefix}in/sparse/{name}/") for name in sparse}
        numbers = self.tensors(f"{prefix}in/dense/")
        domain = ids["dom"].values  # each row has exactly one
        return Features(num_rows=len(domain), ids=ids, numbers=numbers, domain=domain)

    def _ids(self, prefix: str) -> Ids:
        lengths = torch.from_numpy(self.arrays[prefix + "lengths"]).long()
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return Ids(torch.from_numpy(self.arrays[prefix + "values"]), offsets)

    def labels(self, prefix: str = "") -> tuple[Tensor, Tensor]:
        """Labels [B, 2] and task-space weights [B, 2] of ctr and cvr (which counts where there was a click)."""
        clk, buy = (torch.from_numpy(self.arrays[f"{prefix}in/label/{name}"]).float() for name in ("clk", "buy"))
        return torch.stack([clk, buy], 1), torch.stack([torch.ones_like(clk), (clk > 0).float()], 1)


def load(case: str) -> Fixture:
    """The recorded file `<case>.npz`."""
    with np.load(SHARED / "fixtures" / "torcheasyrec" / f"{case}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    return Fixture(arrays, _spec(arrays))


def _spec(arrays: dict[str, np.ndarray]) -> ModelSpec:
    features = {item["name"]: item for item in json.loads(str(arrays["meta/features"]))}
    config = str(arrays["meta/config"])
    groups = {
        name: [item if isinstance(item, str) else item[0] for item in items]
        for name, items in json.loads(str(arrays["meta/groups"])).items()
    }
    tables = tuple(
        TableSpec(name=f"{name}_emb", rows=item["nb"], dim=item["dim"], pooling=Pooling(item["pooling"]))
        for name, item in features.items()
        if item["kind"] == "id"
    )
    return ModelSpec(
        tables=tables,
        groups=tuple(
            GroupSpec(name=group, inputs=tuple(_input(features[name]) for name in names))
            for group, names in groups.items()
        ),
        trunk=PEPNetSpec(main_group="all", epnet=_epnet(config, groups), ppnet=_ppnet(config, groups)),
        tasks=(
            TaskSpec(name="ctr", label="clk", tower=MLPSpec(hidden_dims=(16, 8))),
            TaskSpec(name="cvr", label="buy", tower=MLPSpec(hidden_dims=(16, 8))),
        ),
        domain=_domain(features["dom"]["nb"], config),
    )


def _input(feature: dict[str, object]) -> GroupInput:
    name = str(feature["name"])
    if feature["kind"] == "raw":
        return GroupInput(feature=name, dim=int(str(feature["value_dim"])))
    return GroupInput(feature=name, dim=int(str(feature["dim"])), table=f"{name}_emb")


def _domain(num_domains: int, config: str) -> DomainSpec | None:
    towers = _numbers(config, "task_domain_num")
    return DomainSpec(feature="dom", num_domains=num_domains, num_towers=int(towers[0])) if towers else None


def _epnet(config: str, groups: dict[str, list[str]]) -> EPNetSpec | None:
    if "domain" not in groups:
        return None
    hidden = _numbers(config, "epnet_hidden_unit")
    gamma = _numbers(config, "epnet_gamma")
    return EPNetSpec(group="domain", hidden_dim=int(hidden[0]) if hidden else None, gamma=gamma[0] if gamma else 2.0)


def _ppnet(config: str, groups: dict[str, list[str]]) -> PPNetSpec | None:
    if "uia" not in groups:
        return None
    widths = tuple(int(width) for width in _numbers(config, "ppnet_hidden_units"))
    gamma = _numbers(config, "ppnet_gamma")
    return PPNetSpec(group="uia", hidden_dims=widths, gamma=gamma[0] if gamma else 2.0)


def _numbers(config: str, field: str) -> list[float]:
    return [float(value) for value in re.findall(rf"\b{field}: ([\d.]+)", config)]
