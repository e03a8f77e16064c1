"""The package's PEPNet and its twin in NumPy, with the same weights: arrays and tensors share their memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models.pepnet import PEPNet
from peprank.nn import MLP, EPNet, GateNU, MatrixCross, PPNet, Tower, Towers
from peprank.nn.gate import GeneralInputName
from peprank.nn.ppnet import WiringName
from tests.reference.differences import largest_gap
from tests.reference.layers import Array, Linear, total_loss
from tests.reference.pepnet import Gate, Net, Seen

MAIN, DOMAIN, PRIOR, TASKS, WIDTHS, FIELDS = 5, 3, 4, 2, (4, 3), [2, 3]


class Variant(NamedTuple):
    """A kind of PEPNet."""

    wiring: WiringName
    by_field: bool = False
    general: GeneralInputName = "DETACHED"
    detached_priors: bool = False
    crosses: int = 0


WIRINGS: tuple[WiringName, ...] = ("PAPER", "HIDDEN_ONLY", "TZREC")
_GENERAL: tuple[GeneralInputName, ...] = ("DETACHED", "ATTACHED", "LEFT_OUT")
VARIANTS = (
    *(Variant(wiring, by_field=True) for wiring in WIRINGS),
    *(Variant(wiring, crosses=2) for wiring in WIRINGS),
    *(
        Variant(wiring, general=general, detached_priors=detached)
        for wiring, general, detached in itertools.product(WIRINGS, _GENERAL, (False, True))
    ),
)


@dataclass
class Twins:
    """One net twice, and rows to run it on."""

    trunk: PEPNet
    towers: Towers
    net: Net
    groups: dict[str, Tensor]  # float64 leaves
    labels: Array

    def logits(self) -> Tensor:
        """Of the package."""
        return self.towers(self.trunk(self.groups, torch.zeros(0)), torch.zeros(0))  # type: ignore[no-any-return]

    def reference_logits(self, seen: Seen | None = None) -> Array:
        """Of the loops."""
        arrays = {name: value.detach().numpy() for name, value in self.groups.items()}
        return self.net.logits(arrays["all"], arrays["domain"], arrays["uia"], seen)

    def forward_deviation(self) -> float:
        """Largest difference of a logit."""
        return float(np.abs(self.logits().detach().numpy() - self.reference_logits()).max())

    def gradient_deviation(self, eps: float = 1e-5) -> float:
        """Largest difference between autograd and central differences of the loops' loss, over all values."""
        loss = F.binary_cross_entropy_with_logits(self.logits(), torch.from_numpy(self.labels), reduction="none")
        torch.autograd.backward(loss.mean(0).sum())
        main, domain, prior = (self.groups[name].detach().numpy().copy() for name in ("all", "domain", "uia"))
        o_ep = (self.net.o_ep(e, d) for e, d in zip(main, domain, strict=True))
        seen = Seen(main, np.array([self.net.crossed(row) for row in o_ep]), prior)
        for value in self._values():
            value.grad = torch.zeros_like(value) if value.grad is None else value.grad  # no path leads to it
        return largest_gap(self._values(), lambda: total_loss(self.reference_logits(seen), self.labels), eps)

    def _values(self) -> Iterator[Tensor]:
        yield from self.groups.values()
        yield from self.trunk.parameters()
        yield from self.towers.parameters()


def twins(kind: Variant, *, seed: int = 0) -> Twins:
    """A small net with random weights, and five rows."""
    torch.manual_seed(seed)
    fields, general = FIELDS if kind.by_field else None, kind.general
    epnet = EPNet(DOMAIN, MAIN, hidden_dim=6, gamma=2.5, field_dims=fields, general=general)
    ppnet = PPNet(
        MAIN,
        PRIOR,
        TASKS,
        WIDTHS,
        wiring=kind.wiring,
        gamma=1.5,
        general=general,
        detached_priors=kind.detached_priors,
    )
    cross = MatrixCross(MAIN, kind.crosses) if kind.crosses else None
    trunk = PEPNet(
        "all", MAIN, TASKS, domain_group="domain", epnet=epnet, prior_group="uia", ppnet=ppnet, cross=cross
    ).double()
    towers = Towers([lambda: Tower(MLP(trunk.out_dim, (4,)))] * TASKS).double()
    widths = {"all": MAIN, "domain": DOMAIN, "uia": PRIOR}
    groups = {name: torch.randn(5, dim, dtype=torch.float64, requires_grad=True) for name, dim in widths.items()}
    labels = torch.randint(2, (5, TASKS)).double().numpy()
    return Twins(trunk, towers, _net(kind, epnet, ppnet, towers, cross), groups, labels)


def _net(kind: Variant, epnet: EPNet, ppnet: PPNet, towers: Towers, cross: MatrixCross | None) -> Net:
    bank = ppnet.gates
    starts = [sum(bank.hidden_dims[:k]) for k in range(len(bank.hidden_dims))]
    hidden = _linear(bank.hidden)
    gates = [
        Gate(Linear(hidden.weight[s : s + h], hidden.bias[s : s + h]), _linear(logit), bank.gamma)
        for s, h, logit in zip(starts, bank.hidden_dims, bank.logits, strict=True)
    ]
    return Net(
        kind.wiring,
        _gate(epnet.gate),
        FIELDS if kind.by_field else None,
        gates,
        [[_linear(layer) for layer in layers.children()] for layers in ppnet.layers],
        [[_linear(part) for part in task.modules() if isinstance(part, nn.Linear)] for task in towers.tasks],
        general_input=kind.general,
        detached_priors=kind.detached_priors,
        crosses=() if cross is None else [_linear(layer) for layer in cross.layers],
    )


def _gate(gate: GateNU) -> Gate:
    return Gate(_linear(gate.hidden), _linear(gate.logit), gate.gamma)


def _linear(linear: nn.Module) -> Linear:
    assert isinstance(linear, nn.Linear)
    return Linear(linear.weight.detach().numpy(), linear.bias.detach().numpy())
