"""The one composition of all models: embeddings, trunk, towers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from peprank.batch import Features
from peprank.errors import ArtifactError
from peprank.models.description import TrunkDescription
from peprank.nn import EmbeddingGroups, Towers


class Trunk(Protocol):
    """Everything between embeddings and towers; an `nn.Module` too."""

    out_dim: int  # H

    def __call__(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """{group: [B, D_g]}, int64 [B] -> [B, T, H]."""
        ...

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """What it is, given the names of the tasks."""
        ...


class MultiTaskRanker(nn.Module):
    """Features -> logits [B, K].

    Args:
        embeddings: Features -> {group: [B, D_g]}.
        trunk: {group: [B, D_g]}, domain [B] -> [B, T, H].
        towers: [B, T, H], domain [B] -> [B, K].

    Shapes: Features of B rows -> logits float32 [B, K], columns as `ModelSpec.logit_slices`.
    """

    trunk: Trunk

    def __init__(self, embeddings: EmbeddingGroups, trunk: Trunk, towers: Towers) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.trunk = trunk
        self.towers = towers

    def forward(self, features: Features) -> Tensor:
        """Logits [B, K]; float32 also under autocast."""
        return self.logits(self.embeddings(features), features.domain)

    def logits(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """Logits [B, K] of rows that are embedded already; float32 also under autocast."""
        logits: Tensor = self.towers(self.trunk(groups, domain), domain)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def sparse_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Trainable arenas by name, as `embeddings.split` takes it; their gradients are sparse COO tensors."""
        arenas = ((name, self.embeddings.arena(name).weight) for name in self.embeddings.arenas)
        return [(name, weight) for name, weight in arenas if weight.requires_grad]

    def dense_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """All other parameters by name."""
        return [(name, value) for name, value in self.named_parameters() if not name.startswith(_ARENAS)]

    def weights(self) -> dict[str, Tensor]:
        """Views of all that a checkpoint holds: each table, each dense parameter and each buffer, by name."""
        named: dict[str, Tensor] = {}
        for arena in self.embeddings.arenas:
            rows = self.embeddings.arena(arena).weight.detach()
            named |= {table_name(table): part for table, part in self.embeddings.split(arena, rows).items()}
        return named | {name: value for name, value in self.state_dict().items() if not name.startswith(_ARENAS)}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Copy weights in, by the names that `weights()` gives.

        Raises:
            ArtifactError: a name is missing or unknown, or a shape differs; nothing is loaded then.
        """
        own = self.weights()
        _check_fit(own, weights)
        for name, value in own.items():
            value.copy_(weights[name])

    def adopt(self, state: Mapping[str, Tensor]) -> None:
        """Take weights by the names that `state_dict` gives: arenas where they lie, as in a mapped file, others copied.

        Raises:
            ArtifactError: a name is missing or unknown, or a shape differs; nothing is taken then.
        """
        own = self.state_dict()
        _check_fit(own, state)
        for arena in self.embeddings.arenas:
            name = f"{_ARENAS}{arena}.weight"
            self.embeddings.arena(arena).adopt(state[name].to(own.pop(name).dtype))
        for name, value in own.items():
            value.copy_(state[name])


_ARENAS = "embeddings.arenas."


def _check_fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Name all that keeps `given` from filling `own`."""
    faults = [f"'{name}' is missing" for name in own if name not in given]
    faults += [f"'{name}' is not in this model" for name in given if name not in own]
    faults += [
        f"'{name}' has shape {list(given[name].shape)}, the model needs {list(value.shape)}"
        for name, value in own.items()
        if name in given and given[name].shape != value.shape
    ]
    if faults:
        raise ArtifactError("weights do not fit the model: " + "; ".join(faults))


def table_name(table: str) -> str:
    """Name of a table's weights in checkpoints."""
    return f"embeddings.{table}.weight"


def score(ranker: MultiTaskRanker, features: Features) -> Tensor:
    """Logits [B, K] of rows, without autograd and in eval mode; the mode is put back."""
    with eval_mode(ranker), torch.inference_mode():
        logits: Tensor = ranker(features)
    return logits


@contextmanager
def eval_mode(ranker: MultiTaskRanker) -> Iterator[None]:
    """Within the block nothing drops out and batch statistics rest."""
    was_training = ranker.training
    ranker.eval()
    try:
        yield
    finally:
        ranker.train(was_training)
