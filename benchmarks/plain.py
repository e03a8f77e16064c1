"""PEPNet in plain PyTorch, as everybody writes it: the reference that the training step is compared with.

One `nn.Embedding` per feature, one module per task and gate, inputs joined and detached where the paper says so, every
domain's towers run on all rows and the row's own picked afterwards, dense gradients, and one Adam over everything.
Equal in arithmetic to the wiring TZREC: with the same weights it gives the same logits.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.batch import Features, Targets
from peprank.models import MultiTaskRanker
from peprank.models.peer import peer_names
from peprank.spec.embedding import GroupSpec
from peprank.spec.model import ModelSpec, TaskSpec
from peprank.spec.trunk import GeneralInput, PEPNetSpec, Wiring
from peprank.training.batches import Batch

_TABLE = "embedding_group.emb_impls.__BASE__.ebc.embedding_bags."


class Gate(nn.Module):
    """gamma * sigmoid(W2 relu(W1 x + b1) + b2)."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, gamma: float) -> None:
        super().__init__()
        self.dense_layers = nn.Sequential(
            nn.Linear(in_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, out_dim), nn.Sigmoid()
        )
        self.gamma = gamma

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_dim] -> [B, out_dim]."""
        delta: Tensor = self.gamma * self.dense_layers(x)
        return delta


class PPNet(nn.Module):
    """The towers' gated layers, task by task and layer by layer."""

    def __init__(self, main_dim: int, prior_dim: int, spec: PEPNetSpec, num_tasks: int) -> None:
        super().__init__()
        assert spec.ppnet is not None
        widths, gamma = spec.ppnet.hidden_dims, spec.ppnet.gamma
        self.num_layers, self.dropouts = len(widths), spec.ppnet.dropouts or (0.0,) * len(widths)
        pairs = [*pairwise((main_dim, *widths))] * num_tasks
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in pairs)
        self.gate_nus = nn.ModuleList(Gate(prior_dim + main_dim, o, o, gamma) for _, o in pairs)

    def forward(self, o_ep: Tensor, prior: Tensor) -> list[Tensor]:
        """[B, h_L] of each task."""
        seen = torch.cat([prior, o_ep.detach()], dim=1)
        outputs, hidden = [], o_ep
        for k, (linear, gate) in enumerate(zip(self.linears, self.gate_nus, strict=True)):
            layer = k % self.num_layers
            hidden = o_ep if layer == 0 else hidden
            hidden = F.dropout(torch.relu(linear(hidden)) * gate(seen), self.dropouts[layer], self.training)
            if layer == self.num_layers - 1:
                outputs.append(hidden)
        return outputs


class Tower(nn.Module):
    """A task's last layers in one domain."""

    def __init__(self, in_dim: int, spec: TaskSpec) -> None:
        super().__init__()
        widths = (in_dim, *spec.tower.hidden_dims)
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.logit = nn.Linear(widths[-1], 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, in_dim] -> [B, 1]."""
        for layer in self.layers:
            hidden = torch.relu(layer(hidden))
        logit: Tensor = self.logit(hidden)
        return logit


class Plain(nn.Module):
    """The network of a plan whose features are all single ids.

    Args:
        spec: PEPNet with both halves, wiring TZREC, binary tasks, towers of plain layers.

    Shapes: Features of B rows -> logits [B, T].

    Raises:
        ValueError: the plan has a part that is not written here.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        trunk = _checked(spec)
        assert trunk.epnet is not None
        assert trunk.ppnet is not None
        self.main, self.domain, self.prior = (
            spec.group(name) for name in (trunk.main_group, trunk.epnet.group, trunk.ppnet.group)
        )
        self.tables = nn.ModuleDict({table.name: nn.Embedding(table.rows, table.dim) for table in spec.tables})
        width = trunk.epnet.hidden_dim or self.main.dim
        self.epnet = Gate(self.domain.dim + self.main.dim, width, self.main.dim, trunk.epnet.gamma)
        self.ppnet = PPNet(self.main.dim, self.prior.dim, trunk, spec.num_tasks)
        self.num_domains = spec.domain.num_towers if spec.domain else 1
        in_dim = trunk.ppnet.hidden_dims[-1]
        self.towers = nn.ModuleList(Tower(in_dim, task) for task in spec.tasks for _ in range(self.num_domains))

    def forward(self, features: Features) -> Tensor:
        """Logits [B, T]."""
        main, domain, prior = (self._embed(group, features) for group in (self.main, self.domain, self.prior))
        o_ep = self.epnet(torch.cat([domain, main.detach()], dim=1)) * main
        hidden = self.ppnet(o_ep, prior)
        return torch.cat([self._task(t, x, features.domain) for t, x in enumerate(hidden)], dim=1)

    def _embed(self, group: GroupSpec, features: Features) -> Tensor:
        return torch.cat([self.tables[str(i.table)](features.ids[i.feature].values) for i in group.inputs], dim=1)

    def _task(self, task: int, hidden: Tensor, domain: Tensor) -> Tensor:
        """Logit [B, 1] of the row's own domain, after all of them."""
        first = task * self.num_domains
        logits = torch.cat([tower(hidden) for tower in self.towers[first : first + self.num_domains]], dim=1)
        return logits.gather(1, domain[:, None]) if self.num_domains > 1 else logits

    @torch.no_grad()
    def take_weights(self, ranker: MultiTaskRanker) -> None:
        """Copy the weights of our network of the same plan."""
        own = {_peer_name(name): value for name, value in self.named_parameters()}
        weights = ranker.weights()
        for name, parts in peer_names(ranker).items():
            value = weights[name]
            pieces = [value] if len(parts) == 1 else torch.split(value, [len(own[part]) for part in parts])
            for part, piece in zip(parts, pieces, strict=True):
                own[part].copy_(piece)


class PlainTraining:
    """The usual training step around `Plain`.

    Args:
        spec: as `Plain` takes it.
        bf16: compute the network under autocast.
        lr: of Adam.
    """

    def __init__(self, spec: ModelSpec, *, bf16: bool = False, lr: float = 1e-3) -> None:
        self.network = Plain(spec)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)
        self._bf16 = bf16

    def update(self, batch: Batch) -> float:
        """One update; returns the loss."""
        self._optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            logits = self.network(batch.features)
        loss = _mean_loss(logits.float(), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


def _mean_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Sum over tasks of the weighted mean binary cross-entropy."""
    losses = F.binary_cross_entropy_with_logits(logits, targets.labels, reduction="none") * targets.weights
    return (losses.sum(0) / targets.weights.sum(0).clamp(min=1.0)).sum()


def _checked(spec: ModelSpec) -> PEPNetSpec:
    trunk = spec.trunk
    if (
        not isinstance(trunk, PEPNetSpec)
        or trunk.epnet is None
        or trunk.ppnet is None
        or trunk.ppnet.wiring is not Wiring.TZREC
        or trunk.ppnet.detached_priors
        or trunk.general_input is not GeneralInput.DETACHED
    ):
        raise ValueError("the plain network has EPNet and PPNet in the wiring TZREC only, without ablations")
    if any(item.table is None for group in spec.groups for item in group.inputs):
        raise ValueError("the plain network has ids only, no numbers")
    return trunk


def _peer_name(name: str) -> str:
    """The name that `peer_names` uses: TorchEasyRec's."""
    match name.split("."):
        case ["tables", table, kind]:
            return f"{_TABLE}{table}.{kind}"
        case ["epnet", *rest]:
            return ".".join(["epnet.gate_nu", *rest])
        case ["towers", tower, "layers", layer, kind]:
            return f"_task_tower.{tower}.tower_mlp.mlp.{layer}.perceptron.0.{kind}"
        case ["towers", tower, "logit", kind]:
            return f"_task_tower.{tower}.linear.{kind}"
        case _:
            return name
