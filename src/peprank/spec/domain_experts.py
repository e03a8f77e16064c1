"""Trunks with experts over domains and tasks: plans of PLE-MD, HMoE and M3oE."""

from __future__ import annotations

from dataclasses import dataclass

from peprank.errors import SpecError
from peprank.spec.mlp import MLPSpec, Normalization, check_has_layers, check_widths


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainExtractionSpec:
    """One level of PLE-MD: experts of each task, of each domain, and of all, with equal layers."""

    name: str
    num_task_experts: int  # per task
    num_domain_experts: int  # per domain
    num_shared_experts: int
    expert: MLPSpec

    def __post_init__(self) -> None:
        check_has_layers("expert_mlp", self.expert)
        _check_compares_no_rows("expert_mlp", self.expert)
        _check_count("expert_num_per_task", self.num_task_experts, "1 is usual")
        _check_count("expert_num_per_domain", self.num_domain_experts, "1 is usual")
        _check_count("share_num", self.num_shared_experts, "1 is usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class PLEMDSpec:
    """PLE (Tang et al., RecSys 2020) with experts and gates over domains and tasks, as PEPNet's paper names it."""

    group: str  # the input of the first level
    levels: tuple[DomainExtractionSpec, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise SpecError("extraction_networks", (), "is missing; write at least one extraction_networks { ... }")


@dataclass(frozen=True, slots=True, kw_only=True)
class HMoESpec:
    """Predictions of all domains, mixed by their relevance to a row's own (Li et al., CIKM 2020)."""

    group: str  # the input of experts and gates
    num_experts: int
    expert: MLPSpec
    domain: MLPSpec  # of each domain and task, behind its mixture of the experts
    gate: MLPSpec | None = None  # None: a gate is one linear map

    def __post_init__(self) -> None:
        check_has_layers("expert_mlp", self.expert)
        check_has_layers("domain_mlp", self.domain)
        if self.gate is not None:
            check_has_layers("gate_mlp", self.gate)
            _check_compares_no_rows("gate_mlp", self.gate)
        _check_count("num_expert", self.num_experts, "3 is usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class M3oESpec:
    """Experts that are shared, of domains and of tasks, fused by learnt weights (Zhang et al., SIGIR 2024)."""

    group: str  # the input of the domain layer and of the layers beside it
    domain_dim: int  # width of the domain layer
    common: MLPSpec  # layers beside it, which all domains share; they end in the width that experts read
    num_experts: int  # shared ones; there is one more per domain and per task
    expert: MLPSpec

    def __post_init__(self) -> None:
        check_widths("domain_hidden_unit", (self.domain_dim,))
        check_has_layers("common_mlp", self.common)
        check_has_layers("expert_mlp", self.expert)
        _check_count("num_expert", self.num_experts, "the paper uses 1 to 4")


def _check_compares_no_rows(place: str, mlp: MLPSpec) -> None:
    """Refuse batch normalization where a batch may have a single row of a domain."""
    if mlp.normalization is Normalization.BATCH:
        rule = "use_bn needs several rows of each domain in every batch; write use_ln instead"
        raise SpecError(place, mlp.normalization.value, rule)


def _check_count(place: str, count: int, usual: str) -> None:
    if not count > 0:
        raise SpecError(place, count, f"must be at least 1; {usual}")
