"""PEPNet with its weights laid out for scoring: the equations of `models.pepnet` in fewer steps.

- Constants are multiplied into weights: gamma of a gate into the map that follows, and where the domain's columns stand
  in E as well, their rows of the gate's matrix into those of E.
- A request gives some columns once, u, and others for each of its items, x; a gate multiplies u once.
- The tasks' layers are one step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor, nn

from peprank.infer.columns import Layout
from peprank.infer.maps import Arithmetic, TwoInputs, Weights
from peprank.models.pepnet import PEPNet
from peprank.nn import EmbeddingGroups, EPNet, Field, MatrixCross, PPNet


class Inputs:
    """How the columns that a PEPNet reads are laid out.

    u: fields that a request gives once, the main group's first. x: the others, those of the main group alone first,
    then those that the prior reads too, then the prior's own. E here is that of u, then that of x.

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
        main_of_u = [field for field in self.u.fields if field in self.main]
        main_of_x = [field for field in self.x.fields if field in self.main]
        self.prior_of_x = Layout(field for field in self.x.fields if field in self.prior)
        self._main_of_u, self._main_of_x = self.u.span(main_of_u), self.x.span(main_of_x)
        self._prior_of_x = self.x.span(self.prior_of_x.fields)
        self.order = Layout(self.main).columns([*main_of_u, *main_of_x])  # of the main group's columns in E here

    def _rank(self, field: Field) -> int:
        if field in self.main:
            return 1 if field in self.prior else 0
        return 2 if field in self.prior else 3

    def e(self, u: Tensor, x: Tensor) -> Tensor:
        """E [B, M], in memory of its own."""
        return torch.cat([u[:, self._main_of_u].expand(len(x), -1), x[:, self._main_of_x]], dim=1)

    def prior_and(self, o_ep: Tensor, x: Tensor) -> Tensor:
        """The prior's columns of x ⊕ O_ep [B, P_x + M]."""
        return torch.cat([x[:, self._prior_of_x], o_ep], dim=1)


class FoldedEPNet:
    """δ / gamma of EPNet: u, x -> [B, M]."""

    def __init__(self, epnet: EPNet, inputs: Inputs, arithmetic: Arithmetic) -> None:
        hidden, logit = Weights.of(epnet.gate.hidden), Weights.of(epnet.gate.logit)
        reads = inputs.domain if epnet.general == "LEFT_OUT" else (*inputs.domain, *inputs.main)
        of_u, of_x = (layout.spread(hidden.matrix, reads) for layout in (inputs.u, inputs.x))
        self._hidden = TwoInputs(of_u, of_x, hidden.bias, arithmetic)
        fields = epnet.field_of_unit
        self._field_of_unit = None if fields is None else fields[inputs.order]
        self._logit = arithmetic.map(logit.with_outputs(inputs.order) if fields is None else logit)

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """[B, M]."""
        delta = self._logit(self._hidden(u, x).relu_()).sigmoid_()
        return delta if self._field_of_unit is None else delta.index_select(1, self._field_of_unit)


class FoldedPPNet:
    """PPNet: u, x, O_ep / `scale` -> what each task's last layer gives, divided by gamma [T, B, h_L].

    What it reads as O_ep is crossed where the model has crosses.
    """

    def __init__(self, ppnet: PPNet, inputs: Inputs, scale: float, arithmetic: Arithmetic) -> None:
        self._inputs, self._num_tasks, self._reads_o_ep = inputs, ppnet.num_tasks, ppnet.general != "LEFT_OUT"
        self._gates_hidden = _gates_hidden(ppnet, inputs, scale, arithmetic)
        gates = list(_gates(ppnet, inputs.order, arithmetic))
        self._input_gate = gates.pop(0) if ppnet.gates_input else None
        layers = [arithmetic.stack(of_tasks) for of_tasks in _layers(ppnet, inputs.order, scale)]
        activations = [deepcopy(f).to(arithmetic.dtype) for f in ppnet.activations]
        self._layers = list(zip(layers, activations, gates, strict=True))

    def __call__(self, u: Tensor, x: Tensor, o_ep: Tensor) -> Tensor:
        """[T, B, h_L]."""
        prior = self._gates_hidden(u, self._inputs.prior_and(o_ep if self._reads_o_ep else o_ep[:, :0], x)).relu_()
        hidden = o_ep.expand(self._num_tasks, -1, -1)
        if self._input_gate is not None:
            hidden = self._input_gate(prior).mul_(hidden)
        for layer, f, gate in self._layers:
            hidden = f(layer(hidden)).mul_(gate(prior))
        return hidden


def _gates_hidden(ppnet: PPNet, inputs: Inputs, scale: float, arithmetic: Arithmetic) -> TwoInputs:
    """First layers of all gates as one map of u, and of the prior's part of x ⊕ O_ep / `scale`."""
    hidden = Weights.of(ppnet.gates.hidden)
    of_prior, of_o_ep = hidden.matrix[: ppnet.prior_dim], hidden.matrix[ppnet.prior_dim :]
    of_x = inputs.prior_of_x.spread(of_prior, inputs.prior)
    if ppnet.general != "LEFT_OUT":
        of_x = torch.cat([of_x, of_o_ep[inputs.order] * scale])
    return TwoInputs(inputs.u.spread(of_prior, inputs.prior), of_x, hidden.bias, arithmetic)


class JointGate:
    """δ / gamma of one gate for all tasks: what it reads of the gates' hidden units -> [T, B, H]."""

    def __init__(self, logit: Weights, reads: slice, num_tasks: int, arithmetic: Arithmetic) -> None:
        self._logit, self._reads, self._num_tasks = arithmetic.map(logit), reads, num_tasks

    def __call__(self, hidden: Tensor) -> Tensor:
        """[T, B, H]."""
        delta = self._logit(hidden[:, self._reads]).sigmoid_()
        return _by_task(delta, self._num_tasks)


class SeparateGates:
    """δ / gamma of a gate per task: what they read of the gates' hidden units, of task after task -> [T, B, H]."""

    def __init__(self, logits: Sequence[Weights], reads: slice, arithmetic: Arithmetic) -> None:
        self._logits, self._reads, self._num_tasks = arithmetic.stack(logits), reads, len(logits)

    def __call__(self, hidden: Tensor) -> Tensor:
        """[T, B, H]."""
        return self._logits(_by_task(hidden, self._num_tasks)[:, :, self._reads]).sigmoid_()


def _by_task(columns: Tensor, num_tasks: int) -> Tensor:
    """A view [T, B, H] of the columns [B, T·H] of task after task."""
    return columns.view(len(columns), num_tasks, columns.shape[1] // num_tasks).transpose(0, 1)


def _gates(ppnet: PPNet, order: Tensor, arithmetic: Arithmetic) -> Iterator[JointGate | SeparateGates]:
    """Second layers of the gates, for one gated vector after the other from the input up."""
    logits = [Weights.of(logit) for logit in _linears(ppnet.gates.logits)]
    if ppnet.gates_input:
        logits[0] = logits[0].with_outputs(torch.cat([order + task * len(order) for task in range(ppnet.num_tasks)]))
    num_steps = len(logits) if ppnet.gates_jointly else len(ppnet.activations)
    ends = list(accumulate(ppnet.gates.hidden_dims[:num_steps], initial=0))
    for step, reads in enumerate(map(slice, ends, ends[1:])):
        if ppnet.gates_jointly:
            yield JointGate(logits[step], reads, ppnet.num_tasks, arithmetic)
        else:
            yield SeparateGates(logits[step::num_steps], reads, arithmetic)


def _layers(ppnet: PPNet, order: Tensor, scale: float) -> Iterator[list[Weights]]:
    """Each layer's maps by task; they read O_ep / `scale`, gated or not, and then what a gate / gamma scaled."""
    gamma = ppnet.gates.gamma
    towers = [[Weights.of(layer) for layer in _linears(layers)] for layers in ppnet.layers]
    first, *later = zip(*towers, strict=True)
    factor = scale * gamma if ppnet.gates_input else scale
    yield [weights.with_inputs(order).scaled(factor) for weights in first]
    for of_tasks in later:
        yield [weights.scaled(gamma) for weights in of_tasks]


def _linears(layers: nn.Module) -> list[nn.Linear]:
    return [layer for layer in layers.children() if isinstance(layer, nn.Linear)]


class FoldedCross:
    """A cross network: O_ep / `scale` -> what its last layer gives, divided by `scale` as well [B, M]."""

    def __init__(self, cross: MatrixCross, order: Tensor, scale: float, arithmetic: Arithmetic) -> None:
        self._layers = []
        for layer in cross.layers:
            maps = [Weights.of(part) for part in layer.modules() if isinstance(part, nn.Linear)]  # two of limited rank
            maps[0] = maps[0].with_inputs(order).scaled(scale)
            maps[-1] = maps[-1].with_outputs(order)
            self._layers.append([arithmetic.map(weights) for weights in maps])

    def __call__(self, o_ep: Tensor) -> Tensor:
        """[B, M]."""
        x = o_ep
        for maps in self._layers:
            factor = reduce(lambda columns, affine: affine(columns), maps, x)
            x = torch.addcmul(x, o_ep, factor)
        return x


class FoldedPEPNet:
    """The trunk: u, x -> what each task's tower reads [T, B, H].

    Its column k is column `order[k]` of the model's, divided by `scales[k]`.
    """

    def __init__(self, trunk: PEPNet, inputs: Inputs, arithmetic: Arithmetic) -> None:
        self._inputs, self._num_tasks = inputs, trunk.num_tasks
        scale = 1.0 if trunk.epnet is None else trunk.epnet.gate.gamma  # of O_ep
        self._epnet = None if trunk.epnet is None else FoldedEPNet(trunk.epnet, inputs, arithmetic)
        self._ppnet = None if trunk.ppnet is None else FoldedPPNet(trunk.ppnet, inputs, scale, arithmetic)
        self._cross = None if trunk.cross is None else FoldedCross(trunk.cross, inputs.order, scale, arithmetic)
        of_ppnet, gamma = (0, 1.0) if trunk.ppnet is None else (trunk.ppnet.out_dim, trunk.ppnet.gates.gamma)
        of_x = inputs.order[: trunk.out_dim - of_ppnet]  # all or none of it
        self.order = torch.cat([torch.arange(of_ppnet), of_ppnet + of_x])
        self.scales = torch.cat([_factors(of_ppnet, gamma), _factors(len(of_x), scale)])

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """[T, B, H]."""
        o_ep = self._inputs.e(u, x)
        if self._epnet is not None:
            o_ep.mul_(self._epnet(u, x))
        crossed = o_ep if self._cross is None else self._cross(o_ep)
        crossed_of_tasks = crossed.expand(self._num_tasks, -1, -1)
        if self._ppnet is None:
            return crossed_of_tasks
        hidden = self._ppnet(u, x, crossed)
        return hidden if self._cross is None else torch.cat([hidden, crossed_of_tasks], dim=2)


def _factors(num: int, factor: float) -> Tensor:
    return torch.full((num,), factor, dtype=torch.float64)
