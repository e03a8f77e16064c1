"""PPNet: task towers whose layers are scaled by gates read off user, item and author."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from peprank.nn.gate import GateBank, GeneralInputName, gate_inputs

WiringName: TypeAlias = Literal["PAPER", "HIDDEN_ONLY", "TZREC"]


class PPNet(nn.Module):
    """Run T task towers over O_ep, each layer scaled by a gate: H <- f(H W + b) ⊗ delta.

    Scaling the input of layer l + 1, as the paper writes it, is scaling the output of layer l. So the paper's net is
    a gate on O_ep and then this rule for each layer; the last gate scales what the tower's logit layer reads.

    | wiring      | gates                                                 | gate on O_ep |
    |-------------|-------------------------------------------------------|--------------|
    | PAPER       | one per layer for all tasks, T·h_l outputs, L + 1     | yes          |
    | HIDDEN_ONLY | one per layer for all tasks, T·h_l outputs, L         | no           |
    | TZREC       | one per task and layer, as wide as the layer, T·L     | no           |

    Every gate reads O_prior ⊕ sg(O_ep), unless an ablation says otherwise.

    Source: PEPNet (Chang et al., KDD 2023), section "Parameter Personalized Network", Eq 7-9.

    Args:
        input_dim: width E of O_ep.
        prior_dim: width P of O_prior.
        num_tasks: T.
        hidden_dims: layer widths h_1 .. h_L of each task, input to output.
        wiring: which gates there are.
        gate_hidden_dim: hidden width of each gate; None: the width of one task's chunk.
        gamma: open upper end of the gates.
        activation: makes f.
        dropouts: dropout ratio of each layer's output, (): none. A unit whose gate is 0 has dropped out, so the gates
            do it.
        general: how the gates read O_ep: behind a stop-gradient, with a gradient, or not at all.
        detached_priors: whether the gates read O_prior behind a stop-gradient too.

    Shapes: o_ep [B, E], prior [B, P] -> [B, T, h_L].
    """

    def __init__(
        self,
        input_dim: int,
        prior_dim: int,
        num_tasks: int,
        hidden_dims: Sequence[int],
        *,
        wiring: WiringName = "PAPER",
        gate_hidden_dim: int | None = None,
        gamma: float = 2.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropouts: Sequence[float] = (),
        general: GeneralInputName = "DETACHED",
        detached_priors: bool = False,
    ) -> None:
        super().__init__()
        self.num_tasks, self.out_dim, self.wiring = num_tasks, hidden_dims[-1], wiring
        self.prior_dim, self.general, self.detached_priors = prior_dim, general, detached_priors
        self.gates_input, self.gates_jointly = wiring == "PAPER", wiring != "TZREC"
        widths = (input_dim, *hidden_dims) if self.gates_input else tuple(hidden_dims)  # of the gated vectors
        # A joint gate is T chunks wide; separate gates are told apart by task first, as the peer numbers them.
        out_dims = [num_tasks * width for width in widths] if self.gates_jointly else [*widths] * num_tasks
        chunks = widths if self.gates_jointly else [*widths] * num_tasks
        self.gates = GateBank(
            prior_dim,
            out_dims,
            observed_dim=0 if general == "LEFT_OUT" else input_dim,
            hidden_dims=[gate_hidden_dim or width for width in chunks],
            gamma=gamma,
            dropouts=self._of_gates(dropouts or [0.0] * len(hidden_dims)),
        )
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(i, o) for i, o in zip((input_dim, *hidden_dims), hidden_dims, strict=False))
            for _ in range(num_tasks)
        )
        self.activations = nn.ModuleList(activation() for _ in hidden_dims)

    def forward(self, o_ep: Tensor, prior: Tensor) -> Tensor:
        """Gated output of each task's last layer [B, T, h_L]."""
        deltas = self.deltas(o_ep, prior)
        outputs = [self._tower(layers, o_ep, delta) for layers, delta in zip(self.layers, deltas, strict=True)]
        return torch.stack(outputs).transpose(0, 1)  # a view: each task's [B, h_L] stays contiguous

    def deltas(self, o_ep: Tensor, prior: Tensor) -> list[list[Tensor]]:
        """For each task the gate [B, h] of each gated vector, from the input up."""
        prior = prior.detach() if self.detached_priors else prior
        deltas: list[Tensor] = self.gates(*gate_inputs(prior, o_ep, self.general))
        if self.gates_jointly:
            by_layer = [delta.chunk(self.num_tasks, dim=1) for delta in deltas]
            return [list(of_task) for of_task in zip(*by_layer, strict=True)]
        num_layers = len(self.activations)
        return [deltas[k : k + num_layers] for k in range(0, len(deltas), num_layers)]

    def _of_gates(self, dropouts: Sequence[float]) -> list[float]:
        """For each gate the dropout of what it scales, given each layer's; O_ep has none."""
        if self.gates_jointly:
            return [0.0] * self.gates_input + [*dropouts]
        return [*dropouts] * self.num_tasks

    def _tower(self, layers: nn.Module, o_ep: Tensor, deltas: list[Tensor]) -> Tensor:
        hidden = o_ep
        if self.gates_input:
            hidden, deltas = deltas[0] * o_ep, deltas[1:]
        for layer, delta, f in zip(layers.children(), deltas, self.activations, strict=True):
            hidden = f(layer(hidden)) * delta
        return hidden
