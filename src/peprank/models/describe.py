"""What a plan means, in numbers and equations, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from peprank.models.build import build
from peprank.models.pepnet import PEPNet
from peprank.models.ranker import MultiTaskRanker
from peprank.spec.embedding import TableSpec
from peprank.spec.model import ModelSpec
from peprank.spec.trunk import EPNetGate, PEPNetSpec, Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """A feature group and the columns that each feature takes in it."""

    name: str
    dim: int
    inputs: tuple[tuple[str, int], ...]  # (feature, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """An embedding table and who reads it."""

    name: str
    rows: int
    dim: int
    num_bytes: int
    features: tuple[str, ...]
    trainable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDescription:
    """One Gate NU: what it reads, how wide it is, what it scales."""

    name: str
    reads: tuple[tuple[str, int], ...]  # (input, width) with a gradient
    observes: tuple[tuple[str, int], ...]  # (input, width) behind a stop-gradient
    hidden_dim: int
    out_dim: int
    gamma: float
    scales: str

    @property
    def in_dim(self) -> int:
        """Width of what it reads and observes."""
        return sum(width for _, width in (*self.reads, *self.observes))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDescription:
    """Dense parameters of a part, and what one row costs in it."""

    name: str
    parameters: int
    multiply_adds: int  # of the linear maps, per row; of one domain's towers only


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The network that a plan means."""

    groups: tuple[GroupDescription, ...]
    tables: tuple[TableDescription, ...]
    wiring: str | None  # None: there is no PPNet
    equations: tuple[str, ...]
    gates: tuple[GateDescription, ...]
    parts: tuple[PartDescription, ...]
    num_tasks: int
    num_domain_towers: int

    @property
    def embedding_parameters(self) -> int:
        """Values in all tables."""
        return sum(table.rows * table.dim for table in self.tables)

    @property
    def embedding_bytes(self) -> int:
        """Memory of all tables."""
        return sum(table.num_bytes for table in self.tables)

    @property
    def dense_parameters(self) -> int:
        """Trained values outside the tables."""
        return sum(part.parameters for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        """Of one row through all linear maps."""
        return sum(part.multiply_adds for part in self.parts)


def describe(spec: ModelSpec) -> Description:
    """What the plan means; counted on the network itself, built without memory."""
    with torch.device("meta"):
        ranker = build(spec, seed=0)
    trunk = ranker.trunk
    assert isinstance(trunk, PEPNet)
    return Description(
        groups=tuple(
            GroupDescription(name=g.name, dim=g.dim, inputs=tuple((item.feature, item.dim) for item in g.inputs))
            for g in spec.groups
        ),
        tables=tuple(_table(table, spec) for table in spec.tables),
        wiring=spec.trunk.ppnet.wiring.value if spec.trunk.ppnet else None,
        equations=tuple(_equations(spec.trunk)),
        gates=(*_epnet_gate(spec, trunk), *_ppnet_gates(spec, trunk)),
        parts=tuple(_parts(ranker)),
        num_tasks=spec.num_tasks,
        num_domain_towers=ranker.towers.num_domains,
    )


def _table(table: TableSpec, spec: ModelSpec) -> TableDescription:
    readers = [item.feature for group in spec.groups for item in group.inputs if item.table == table.name]
    return TableDescription(
        name=table.name,
        rows=table.rows,
        dim=table.dim,
        num_bytes=table.rows * table.dim * (2 if table.is_half else 4),
        features=tuple(dict.fromkeys(readers)),
        trainable=table.trainable,
    )


def _equations(spec: PEPNetSpec) -> Iterator[str]:
    """The equations in force; sg stops the gradient."""
    yield f"E = {spec.main_group}"
    if spec.epnet is None:
        yield "O_ep = E"
    else:
        per = "unit" if spec.epnet.gate is EPNetGate.ELEMENT else "feature field"
        yield f"O_ep = GateNU({spec.epnet.group} ⊕ sg(E)) ⊗ E, one number per {per}"
    if spec.ppnet is None:
        yield "logit_t = Tower_t(O_ep)"
        return
    gate = f"({spec.ppnet.group} ⊕ sg(O_ep))"
    f = spec.ppnet.activation.value
    match spec.ppnet.wiring:
        case Wiring.PAPER:
            yield f"δ^(l) = GateNU_l{gate} for all tasks, l = 1 .. L + 1"
            yield "H_t^(1) = δ_t^(1) ⊗ O_ep"
            yield f"H_t^(l+1) = δ_t^(l+1) ⊗ {f}(H_t^(l) W_t^(l) + b_t^(l))"
        case Wiring.HIDDEN_ONLY:
            yield f"δ^(l) = GateNU_l{gate} for all tasks, l = 2 .. L + 1"
            yield "H_t^(1) = O_ep"
            yield f"H_t^(l+1) = δ_t^(l+1) ⊗ {f}(H_t^(l) W_t^(l) + b_t^(l))"
        case Wiring.TZREC:
            yield f"δ_t^(l) = GateNU_t,l{gate}"
            yield "H_t^(1) = O_ep"
            yield f"H_t^(l+1) = {f}(H_t^(l) W_t^(l) + b_t^(l)) ⊗ δ_t^(l)"
    yield "logit_t = Tower_t(H_t^(L+1))"


def _epnet_gate(spec: ModelSpec, trunk: PEPNet) -> Iterator[GateDescription]:
    if trunk.epnet is None:
        return
    gate = trunk.epnet.gate
    yield GateDescription(
        name="EPNet",
        reads=((trunk.domain_group, spec.group(trunk.domain_group).dim),),
        observes=((trunk.main_group, spec.group(trunk.main_group).dim),),
        hidden_dim=gate.hidden.out_features,
        out_dim=gate.logit.out_features,
        gamma=gate.gamma,
        scales=trunk.main_group if trunk.epnet.field_of_unit is None else f"fields of {trunk.main_group}",
    )


def _ppnet_gates(spec: ModelSpec, trunk: PEPNet) -> Iterator[GateDescription]:
    if trunk.ppnet is None:
        return
    bank = trunk.ppnet.gates
    names = list(_gate_names(spec, trunk))
    for (name, scales), hidden_dim, out_dim in zip(names, bank.hidden_dims, bank.out_dims, strict=True):
        yield GateDescription(
            name=name,
            reads=((trunk.prior_group, spec.group(trunk.prior_group).dim),),
            observes=(("O_ep", spec.group(trunk.main_group).dim),),
            hidden_dim=hidden_dim,
            out_dim=out_dim,
            gamma=bank.gamma,
            scales=scales,
        )


def _gate_names(spec: ModelSpec, trunk: PEPNet) -> Iterator[tuple[str, str]]:
    """(name, what it scales) of PPNet's gates, in the order of the bank."""
    assert trunk.ppnet is not None
    layers = range(1, len(trunk.ppnet.activations) + 1)
    if not trunk.ppnet.gates_jointly:
        for task in spec.tasks:
            yield from (
                (f"PPNet {task.name} layer {layer}", f"output of layer {layer} of {task.name}") for layer in layers
            )
        return
    if trunk.ppnet.gates_input:
        yield "PPNet input", "O_ep, once per task"
    yield from ((f"PPNet layer {layer}", f"output of layer {layer} of all tasks") for layer in layers)


def _parts(ranker: MultiTaskRanker) -> Iterator[PartDescription]:
    trunk = ranker.trunk
    assert isinstance(trunk, PEPNet)
    yield from _part("dense embeddings", ranker.embeddings.dense)
    if trunk.epnet is not None:
        yield from _part("EPNet gate", trunk.epnet)
    if trunk.ppnet is not None:
        yield from _part("PPNet gates", trunk.ppnet.gates)
        yield from _part("PPNet layers", trunk.ppnet.layers, trunk.ppnet.activations)
    yield from _part("task towers", ranker.towers, copies=ranker.towers.num_domains)


def _part(name: str, *modules: nn.Module, copies: int = 1) -> Iterator[PartDescription]:
    """Parameters of all copies, multiply-adds of one; nothing when there is nothing to count."""
    parameters = sum(value.numel() for module in modules for value in module.parameters())
    linears = (part for module in modules for part in module.modules() if isinstance(part, nn.Linear))
    if parameters:
        multiply_adds = sum(linear.weight.numel() for linear in linears) // copies
        yield PartDescription(name=name, parameters=parameters, multiply_adds=multiply_adds)
