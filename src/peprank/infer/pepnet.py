"""PEPNet with its weights laid out for scoring: the equations of `models.pepnet` in fewer and larger steps.

- Constants are multiplied into weights: gamma of a gate into the map that follows, and where the domain's columns stand
  in E as well, their rows of the gate's matrix into those of E.
- A request gives some columns once, u, and others for each of its items, x; a gate multiplies u once.
- Maps of several tasks that read one input are one map; others are the blocks of one, so that the elementwise part of
  a layer is one step for all tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from peprank.infer.columns import Layout
from peprank.infer.maps import Blocks, MakeAffine, TwoInputs, Weights, joined
from peprank.models.pepnet import PEPNet
from peprank.nn import EmbeddingGroups, EPNet, Field, PPNet


class Inputs:
    """How the columns that a PEPNet reads are laid out.

    u: fields that a request gives once, the main group's first. x: the others, those of the main group alone first,
    then those that the prior reads too, then the prior's own. z = O_ep ⊕ the prior's part of x.

    Args:
        embeddings: groups and their fields.
        trunk: says which groups it reads.
        once: features that a request gives once.
    """

    def __init__(self, embeddings: EmbeddingGroups, trunk: PEPNet, once: Collection[str]) -> None:
        groups = embeddings.groups
        self.main = groups[trunk.main_group]
        self.domain = groups[trunk.domain_group] if trunk.epnet is not None else ()
        self.prior = groups[trunk.prior_group] if trunk.ppnet is not None else ()
        fields = sorted(
            dict.fromkeys((*self.main, *self.domain, *self.prior)),
            key=lambda field: (self._rank(field), "" if field.table is None else embeddings.arena_of(field.table)),
        )
        self.u = Layout(field for field in fields if field.feature in once)
        self.x = Layout(field for field in fields if field.feature not in once)
        own_main = [field for field in self.x.fields if field in self.main]
        own_prior = [field for field in self.x.fields if field in self.prior]
        shared_main = [field for field in self.u.fields if field in self.main]
        self.main_of_u = _span(self.u, shared_main)
        self.main_of_x, self.prior_of_x = _span(self.x, own_main), _span(self.x, own_prior)
        self.order = Layout(self.main).columns([*shared_main, *own_main])  # of the main group's columns in z
        self.priors = Layout(own_prior)  # in z, after O_ep

    def _rank(self, field: Field) -> int:
        if field in self.main:
            return 1 if field in self.prior else 0
        return 2 if field in self.prior else 3

    def z(self, u: Tensor, x: Tensor) -> Tensor:
        """E ⊕ the prior's part of x [B, M + P], in memory of its own."""
        shared = u[:, self.main_of_u].expand(len(x), -1)
        return torch.cat([shared, x[:, self.main_of_x], x[:, self.prior_of_x]], dim=1)


def _span(layout: Layout, fields: Sequence[Field]) -> slice:
    """The columns of fields that stand side by side."""
    if not fields:
        return slice(0, 0)
    return slice(layout.places[fields[0]].start, layout.places[fields[-1]].stop)


class FoldedEPNet:
    """δ / gamma of EPNet, in the order of z."""

    def __init__(self, epnet: EPNet, inputs: Inputs, make: MakeAffine) -> None:
        hidden, logit = Weights.of(epnet.gate.hidden), Weights.of(epnet.gate.logit)
        reads = inputs.domain if epnet.general == "LEFT_OUT" else (*inputs.domain, *inputs.main)
        of_u, of_x = inputs.u.spread(hidden.matrix, reads), inputs.x.spread(hidden.matrix, reads)
        self._hidden = TwoInputs(Weights(of_u, hidden.bias), of_x, make)
        self._field_of_unit = None if epnet.field_of_unit is None else epnet.field_of_unit[inputs.order]
        self._logit = make(logit if epnet.field_of_unit is not None else logit.with_outputs(inputs.order))

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """[B, M]."""
        delta = self._logit(self._hidden(u, x).relu_()).sigmoid_()
        return delta if self._field_of_unit is None else delta.index_select(1, self._field_of_unit)


class FoldedPPNet:
    """PPNet on O_ep / `scale`; its output is that of PPNet / gamma, tasks side by side."""

    def __init__(self, ppnet: PPNet, inputs: Inputs, scale: float, make: MakeAffine, dtype: torch.dtype) -> None:
        self._main_dim = len(inputs.order)
        self._reads = slice(self._main_dim if ppnet.general == "LEFT_OUT" else 0, None)
        self._hidden = _gates_hidden(ppnet, inputs, scale, make)
        gates = list(_gates(ppnet, inputs.order, make))
        self._num_tasks = ppnet.num_tasks
        self._input_gate = gates.pop(0) if ppnet.gates_input else None
        towers = [_first_layer(ppnet, inputs.order, scale, make), *_later_layers(ppnet, make)]
        activations = [deepcopy(f).to(dtype) for f in ppnet.activations]
        self._layers = list(zip(towers, activations, gates, strict=True))

    def __call__(self, u: Tensor, z: Tensor) -> Tensor:
        """[B, T·h_L]."""
        prior = self._hidden(u, z[:, self._reads]).relu_()
        hidden = z[:, : self._main_dim]
        if self._input_gate is not None:
            delta = self._input_gate(prior).sigmoid_()
            delta.view(len(z), self._num_tasks, self._main_dim).mul_(hidden.unsqueeze(1))
            hidden = delta
        for layer, f, gate in self._layers:
            hidden = f(layer(hidden)).mul_(gate(prior).sigmoid_())
        return hidden


def _gates_hidden(ppnet: PPNet, inputs: Inputs, scale: float, make: MakeAffine) -> TwoInputs:
    """First layer of all gates, of u and of what they read of z."""
    hidden = Weights.of(ppnet.gates.hidden)
    of_prior, of_o_ep = hidden.matrix[: ppnet.prior_dim], hidden.matrix[ppnet.prior_dim :]
    of_z = inputs.priors.spread(of_prior, inputs.prior)
    if ppnet.general != "LEFT_OUT":
        of_z = torch.cat([of_o_ep[inputs.order] * scale, of_z])
    return TwoInputs(Weights(inputs.u.spread(of_prior, inputs.prior), hidden.bias), of_z, make)


def _gates(ppnet: PPNet, order: Tensor, make: MakeAffine) -> Iterator[Blocks]:
    """Second layers of the gates, one step for each gated vector, from the input up; tasks side by side."""
    reads = list(_slices(ppnet.gates.hidden_dims))
    logits = [Weights.of(logit) for logit in ppnet.gates.logits if isinstance(logit, nn.Linear)]
    if ppnet.gates_input:
        orders = [order + task * len(order) for task in range(ppnet.num_tasks)]
        logits[0] = logits[0].with_outputs(torch.cat(orders))
    blocks = [(columns, make(logit)) for columns, logit in zip(reads, logits, strict=True)]
    num_steps = len(blocks) if ppnet.gates_jointly else len(ppnet.activations)  # separate gates: by task, then layer
    for step in range(num_steps):
        yield Blocks(blocks[step::num_steps])


def _first_layer(ppnet: PPNet, order: Tensor, scale: float, make: MakeAffine) -> Blocks:
    """All tasks' first layers: of one O_ep, or of an O_ep that is gated for each task."""
    layers = [_linears(layers)[0].with_inputs(order).scaled(scale) for layers in ppnet.layers]
    if not ppnet.gates_input:
        return Blocks([(slice(None), make(joined(layers)))])
    reads = _slices([len(order)] * ppnet.num_tasks)
    return Blocks(
        [(columns, make(layer.scaled(ppnet.gates.gamma))) for columns, layer in zip(reads, layers, strict=True)]
    )


def _later_layers(ppnet: PPNet, make: MakeAffine) -> Iterator[Blocks]:
    for of_tasks in zip(*(_linears(layers)[1:] for layers in ppnet.layers), strict=True):
        reads = _slices([layer.matrix.shape[0] for layer in of_tasks])
        scaled = [layer.scaled(ppnet.gates.gamma) for layer in of_tasks]
        yield Blocks([(columns, make(layer)) for columns, layer in zip(reads, scaled, strict=True)])


def _linears(layers: nn.Module) -> list[Weights]:
    return [Weights.of(layer) for layer in layers.children() if isinstance(layer, nn.Linear)]


def _slices(widths: Sequence[int]) -> Iterator[slice]:
    """The columns of parts that stand side by side."""
    start = 0
    for width in widths:
        yield slice(start, start + width)
        start += width


class FoldedPEPNet:
    """The trunk: u, x -> what the towers read, divided by `scale`.

    `order`: where the towers read O_ep, their input's column k stands in the model at `order[k]`; else None.
    """

    def __init__(self, trunk: PEPNet, inputs: Inputs, make: MakeAffine, dtype: torch.dtype) -> None:
        self._inputs = inputs
        self._epnet = None if trunk.epnet is None else FoldedEPNet(trunk.epnet, inputs, make)
        self.scale = 1.0 if trunk.epnet is None else trunk.epnet.gate.gamma
        self.order: Tensor | None = inputs.order
        self._ppnet = None
        if trunk.ppnet is not None:
            self._ppnet = FoldedPPNet(trunk.ppnet, inputs, self.scale, make, dtype)
            self.scale, self.order = trunk.ppnet.gates.gamma, None

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """[B, T·h_L], tasks side by side, or O_ep [B, M] for all tasks."""
        z = self._inputs.z(u, x)
        if self._epnet is not None:
            z[:, : len(self._inputs.order)].mul_(self._epnet(u, x))
        return z if self._ppnet is None else self._ppnet(u, z)
