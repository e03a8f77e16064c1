"""PEPNet (Chang et al., KDD 2023, arXiv 2302.01115): EPNet scales the embeddings, PPNet the task towers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from peprank.models.description import GateDescription, TrunkDescription, counted, cross_equation
from peprank.models.gates import GateValues
from peprank.nn import EPNet, MatrixCross, PPNet
from peprank.nn.gate import GeneralInputName


class PEPNet(nn.Module):
    """A Trunk: O_ep = EPNet(E(F_d), E), then PPNet(O_ep, O_prior). Either half may be left out.

    Not of the paper: with `cross`, PPNet reads x = Cross(O_ep) in place of O_ep, and the towers read x as well.

    Args:
        main_group: name of the group E.
        main_dim: its width.
        num_tasks: T.
        domain_group: name of the group F_d that `epnet` reads.
        epnet: None: O_ep = E.
        prior_group: name of the prior group that `ppnet` reads.
        ppnet: None: every tower reads O_ep.
        cross: of width `main_dim`, between the two; None: there is none.

    Shapes: {group: [B, D_g]} -> [B, T, H].
    """

    def __init__(
        self,
        main_group: str,
        main_dim: int,
        num_tasks: int,
        *,
        domain_group: str = "",
        epnet: EPNet | None = None,
        prior_group: str = "",
        ppnet: PPNet | None = None,
        cross: MatrixCross | None = None,
    ) -> None:
        super().__init__()
        self.main_group, self.domain_group, self.prior_group = main_group, domain_group, prior_group
        self.main_dim, self.num_tasks = main_dim, num_tasks
        self.epnet = epnet
        self.ppnet = ppnet
        self.cross = cross
        of_x = main_dim if ppnet is None or cross is not None else 0
        self.out_dim = of_x if ppnet is None else ppnet.out_dim + of_x

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """Input of each task's tower [B, T, H]."""
        e = groups[self.main_group]  # [B, E]
        o_ep = e if self.epnet is None else self.epnet(groups[self.domain_group], e)  # [B, E]
        x = self._crossed(o_ep)  # [B, E]
        x_of_tasks = x.unsqueeze(1).expand(-1, self.num_tasks, -1)
        if self.ppnet is None:
            return x_of_tasks
        hidden: Tensor = self.ppnet(x, groups[self.prior_group])
        return hidden if self.cross is None else torch.cat([hidden, x_of_tasks], dim=2)

    def gate_values(
        self,
        groups: dict[str, Tensor],
        domain: Tensor,  # noqa: ARG002  other trunks read the domain
        tasks: Sequence[str],
    ) -> Iterator[GateValues]:
        """The δ that `forward` multiplies by: EPNet's, then PPNet's task by task, from the input up."""
        o_ep = groups[self.main_group]  # [B, E]
        if self.epnet is not None:
            delta = self.epnet.delta(groups[self.domain_group], o_ep)
            yield GateValues(gate="EPNet", values=delta, gamma=self.epnet.gate.gamma, group=self.main_group)
            o_ep = delta * o_ep
        if self.ppnet is not None:
            deltas_of_tasks = self.ppnet.deltas(self._crossed(o_ep), groups[self.prior_group])
            for task, deltas in zip(tasks, deltas_of_tasks, strict=True):
                yield from _of_task(self.ppnet, task, deltas, self.main_group)

    def _crossed(self, o_ep: Tensor) -> Tensor:
        x: Tensor = o_ep if self.cross is None else self.cross(o_ep)
        return x

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts."""
        parts: dict[str, list[nn.Module]] = {}
        if self.epnet is not None:
            parts["EPNet gate"] = [self.epnet]
        if self.cross is not None:
            parts["cross network"] = [self.cross]
        if self.ppnet is not None:
            parts["PPNet gates"] = [self.ppnet.gates]
            parts["PPNet layers"] = [self.ppnet.layers, self.ppnet.activations]
        return TrunkDescription(
            model=_name(self),
            equations=tuple(_equations(self)),
            gates=(*_epnet_gate(self), *_ppnet_gates(self, tasks)),
            parts=counted(parts),
        )


def _name(trunk: PEPNet) -> str:
    name = "PEPNet" if trunk.cross is None else "PEPNet with crosses"
    return name if trunk.ppnet is None else f"{name}, {trunk.ppnet.wiring} wiring"


def _of_task(ppnet: PPNet, task: str, deltas: Sequence[Tensor], main_group: str) -> Iterator[GateValues]:
    """PPNet's δ of one task, from the input up."""
    gamma = ppnet.gates.gamma
    if ppnet.gates_input:
        yield GateValues(gate="PPNet", layer="input", task=task, values=deltas[0], gamma=gamma, group=main_group)
    for layer, delta in enumerate(deltas[ppnet.gates_input :], 1):
        yield GateValues(gate="PPNet", layer=f"layer {layer}", task=task, values=delta, gamma=gamma)


def _equations(trunk: PEPNet) -> Iterator[str]:
    yield f"E = {trunk.main_group}"
    if trunk.epnet is None:
        yield "O_ep = E"
    else:
        per = "unit" if trunk.epnet.field_of_unit is None else "feature field"
        yield f"O_ep = GateNU({_joined(_epnet_reads(trunk, trunk.epnet, 'E'))}) ⊗ E, one number per {per}"
    if trunk.cross is not None:
        yield "x_0 = O_ep"
        yield cross_equation(trunk.cross)
    x = _name_of_x(trunk)
    if trunk.ppnet is None:
        yield f"logit_t = Tower_t({x})"
        return
    yield from _ppnet_equations(trunk, trunk.ppnet, x)
    yield f"logit_t = Tower_t(H_t^(L+1){'' if trunk.cross is None else f' ⊕ {x}'})"


def _name_of_x(trunk: PEPNet) -> str:
    """What to call that which PPNet scales."""
    return "O_ep" if trunk.cross is None else f"x_{len(trunk.cross)}"


def _ppnet_equations(trunk: PEPNet, ppnet: PPNet, x: str) -> Iterator[str]:
    gate = f"({_joined(_ppnet_reads(trunk, ppnet))})"
    f = type(ppnet.activations[0]).__name__
    match ppnet.wiring:
        case "PAPER":
            yield f"δ^(l) = GateNU_l{gate} for all tasks, l = 1 .. L + 1"
            yield f"H_t^(1) = δ_t^(1) ⊗ {x}"
            yield f"H_t^(l+1) = δ_t^(l+1) ⊗ {f}(H_t^(l) W_t^(l) + b_t^(l))"
        case "HIDDEN_ONLY":
            yield f"δ^(l) = GateNU_l{gate} for all tasks, l = 2 .. L + 1"
            yield f"H_t^(1) = {x}"
            yield f"H_t^(l+1) = δ_t^(l+1) ⊗ {f}(H_t^(l) W_t^(l) + b_t^(l))"
        case "TZREC":
            yield f"δ_t^(l) = GateNU_t,l{gate}"
            yield f"H_t^(1) = {x}"
            yield f"H_t^(l+1) = {f}(H_t^(l) W_t^(l) + b_t^(l)) ⊗ δ_t^(l)"


class _Input(NamedTuple):
    """One of the inputs that a gate joins."""

    name: str
    width: int
    is_detached: bool = False  # read behind a stop-gradient


def _epnet_reads(trunk: PEPNet, epnet: EPNet, e: str) -> tuple[_Input, ...]:
    """`e` is what to call E."""
    return (_Input(trunk.domain_group, epnet.domain_dim), *_general_input(e, trunk.main_dim, epnet.general))


def _ppnet_reads(trunk: PEPNet, ppnet: PPNet) -> tuple[_Input, ...]:
    priors = _Input(trunk.prior_group, ppnet.prior_dim, is_detached=ppnet.detached_priors)
    return (priors, *_general_input(_name_of_x(trunk), trunk.main_dim, ppnet.general))


def _general_input(name: str, width: int, general: GeneralInputName) -> tuple[_Input, ...]:
    return () if general == "LEFT_OUT" else (_Input(name, width, is_detached=general == "DETACHED"),)


def _joined(inputs: Sequence[_Input]) -> str:
    return " ⊕ ".join(f"sg({item.name})" if item.is_detached else item.name for item in inputs)


def _widths(inputs: Sequence[_Input], *, detached: bool) -> tuple[tuple[str, int], ...]:
    return tuple((item.name, item.width) for item in inputs if item.is_detached == detached)


def _epnet_gate(trunk: PEPNet) -> Iterator[GateDescription]:
    if trunk.epnet is None:
        return
    gate = trunk.epnet.gate
    inputs = _epnet_reads(trunk, trunk.epnet, trunk.main_group)
    yield GateDescription(
        name="EPNet",
        reads=_widths(inputs, detached=False),
        observes=_widths(inputs, detached=True),
        hidden_dims=(gate.hidden.out_features,),
        out_dim=gate.logit.out_features,
        gamma=gate.gamma,
        scales=trunk.main_group if trunk.epnet.field_of_unit is None else f"fields of {trunk.main_group}",
    )


def _ppnet_gates(trunk: PEPNet, tasks: Sequence[str]) -> Iterator[GateDescription]:
    if trunk.ppnet is None:
        return
    bank, inputs = trunk.ppnet.gates, _ppnet_reads(trunk, trunk.ppnet)
    names = _gate_names(trunk.ppnet, tasks, _name_of_x(trunk))
    for (name, scales), hidden_dim, out_dim in zip(names, bank.hidden_dims, bank.out_dims, strict=True):
        yield GateDescription(
            name=name,
            reads=_widths(inputs, detached=False),
            observes=_widths(inputs, detached=True),
            hidden_dims=(hidden_dim,),
            out_dim=out_dim,
            gamma=bank.gamma,
            scales=scales,
        )


def _gate_names(ppnet: PPNet, tasks: Sequence[str], x: str) -> Iterator[tuple[str, str]]:
    """(name, what it scales) of PPNet's gates, in the order of the bank; `x` is what to call its input."""
    layers = range(1, len(ppnet.activations) + 1)
    if not ppnet.gates_jointly:
        for task in tasks:
            yield from ((f"PPNet {task} layer {layer}", f"output of layer {layer} of {task}") for layer in layers)
        return
    if ppnet.gates_input:
        yield "PPNet input", f"{x}, once per task"
    yield from ((f"PPNet layer {layer}", f"output of layer {layer} of all tasks") for layer in layers)
