"""How a model is told in words and numbers: what `describe` gives, and what each trunk says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from peprank.nn import CIN, MatrixCross, SoftmaxGate


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
    rows: int  # of all its copies, where each domain has one
    dim: int
    num_bytes: int
    features: tuple[str, ...]
    trainable: bool
    is_per_domain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDescription:
    """One gate: what it reads, how wide it is, what it scales or weighs."""

    name: str
    reads: tuple[tuple[str, int], ...]  # (input, width) with a gradient
    observes: tuple[tuple[str, int], ...] = ()  # (input, width) behind a stop-gradient
    hidden_dims: tuple[int, ...] = ()  # (): one linear map
    out_dim: int
    gamma: float | None = None  # open upper end of each output; None: a softmax, the outputs sum to 1
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
class TrunkDescription:
    """What a trunk says of itself."""

    model: str
    equations: tuple[str, ...]  # those in force; sg(·) stops the gradient
    gates: tuple[GateDescription, ...] = ()
    parts: tuple[PartDescription, ...] = ()  # of its parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The network that a plan means."""

    groups: tuple[GroupDescription, ...]
    tables: tuple[TableDescription, ...]
    model: str  # such as "PEPNet, PAPER wiring"
    equations: tuple[str, ...]
    gates: tuple[GateDescription, ...]
    parts: tuple[PartDescription, ...]  # those of the trunk among them
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


def counted(parts: Mapping[str, Sequence[nn.Module]], *, copies: int = 1) -> tuple[PartDescription, ...]:
    """Parameters of each part's modules, and the multiply-adds of one row, which passes one of `copies` equal ones.

    A part without parameters is left out.
    """
    described = []
    for name, modules in parts.items():
        parameters = sum(value.numel() for module in modules for value in module.parameters())
        multiply_adds = sum(map(_multiply_adds, modules)) // copies
        if parameters:
            described.append(PartDescription(name=name, parameters=parameters, multiply_adds=multiply_adds))
    return tuple(described)


def _multiply_adds(module: nn.Module) -> int:
    """Of the linear maps of a module; a row passes each of them once, but for those that say otherwise."""
    if isinstance(module, CIN):
        return module.multiply_adds
    if isinstance(module, nn.Linear):
        return module.weight.numel()
    return sum(map(_multiply_adds, module.children()))


def cross_equation(cross: MatrixCross) -> str:
    """That of its layers."""
    weight = "W_l" if cross.rank is None else "U_l V_l"
    return f"x_(l+1) = x_0 ⊗ ({weight} x_l + b_l) + x_l, l = 0 .. {len(cross) - 1}"


def described_softmax(name: str, source: str, gate: nn.Module, scales: str) -> GateDescription:
    """A softmax gate that reads `source`."""
    assert isinstance(gate, SoftmaxGate)
    return GateDescription(
        name=name,
        reads=((source, gate.hidden.in_dim),),
        hidden_dims=gate.hidden.hidden_dims,
        out_dim=gate.logit.out_features,
        scales=scales,
    )
