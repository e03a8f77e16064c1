"""Weights that TorchEasyRec trained, under the names that its state dicts use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from peprank.errors import ArtifactError
from peprank.models.pepnet import PEPNet
from peprank.models.ranker import MultiTaskRanker, table_name
from peprank.nn import PPNet

_TABLE = "embedding_group.emb_impls.__BASE__.ebc.embedding_bags"
_PREFIXES = ("embedding_group.", "epnet.", "ppnet.", "_task_tower.")


def from_torcheasyrec(ranker: MultiTaskRanker, weights: Mapping[str, Tensor]) -> None:
    """Load a TorchEasyRec PEPNet's state dict into a ranker of the same config.

    Source: TorchEasyRec 1.3.16. Names may carry the prefix `model.` of its checkpoints.

    Args:
        ranker: built from the peer's config, wiring TZREC.
        weights: the peer's state dict.

    Raises:
        ArtifactError: the ranker has parts that the peer has no name for, a name is missing, a weight of the peer's
            network has no place here, a shape differs, or the model is no PEPNet; nothing is loaded then.
    """
    if not isinstance(ranker.trunk, PEPNet):
        raise ArtifactError(
            f"this model's trunk is {type(ranker.trunk).__name__}: only a PEPNet takes TorchEasyRec's weights; "
            "train it here from the same config"
        )
    given = {name.removeprefix("model."): value for name, value in weights.items()}
    names = peer_names(ranker)
    nameless = [name for name in ranker.weights() if name not in names]
    if nameless:
        raise ArtifactError(f"TorchEasyRec has no names for these weights: {nameless}; use the wiring TZREC")
    needed = {name for parts in names.values() for name in parts}
    missing = sorted(needed - given.keys())
    if missing:
        raise ArtifactError(f"TorchEasyRec weights are missing: {missing}; is the config the same?")
    extra = sorted(name for name in given if name.startswith(_PREFIXES) and name not in needed)
    if extra:
        raise ArtifactError(f"TorchEasyRec weights without a place here: {extra}; is the config the same?")
    ranker.load_weights({own: stack_rows([given[part] for part in parts]) for own, parts in names.items()})


def peer_names(ranker: MultiTaskRanker) -> dict[str, tuple[str, ...]]:
    """For each weight here the names of the peer's weights that it holds, one below the other along the first axis.

    Only the first layers of PPNet's gates, which are one matrix here, have several.
    """
    return dict(_names(ranker))


def stack_rows(parts: Sequence[Tensor]) -> Tensor:
    """Tensors one below the other; one alone as it is, so that it may be a scalar."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _names(ranker: MultiTaskRanker) -> Iterator[tuple[str, tuple[str, ...]]]:
    for arena in ranker.embeddings.arenas:
        for table in ranker.embeddings.arena(arena).tables:
            yield table_name(table), (f"{_TABLE}.{table}.weight",)
    trunk = ranker.trunk
    assert isinstance(trunk, PEPNet)
    if trunk.epnet is not None:
        yield from _linear("trunk.epnet.gate.hidden", "epnet.gate_nu.dense_layers.0")
        yield from _linear("trunk.epnet.gate.logit", "epnet.gate_nu.dense_layers.2")
    if trunk.ppnet is not None and not trunk.ppnet.gates_jointly:
        yield from _ppnet_names(trunk.ppnet)
    for t, towers in enumerate(ranker.towers.tasks):
        for d, tower in enumerate(towers.children()):
            own, peer = f"towers.tasks.{t}.{d}", f"_task_tower.{t * ranker.towers.num_domains + d}"
            yield from _tower_names(tower, own, peer)


def _ppnet_names(ppnet: PPNet) -> Iterator[tuple[str, tuple[str, ...]]]:
    gates = [f"ppnet.gate_nus.{k}.dense_layers" for k in range(len(ppnet.gates.logits))]
    yield from _linear("trunk.ppnet.gates.hidden", *(f"{gate}.0" for gate in gates))
    num_layers = len(gates) // ppnet.num_tasks
    for k, gate in enumerate(gates):
        yield from _linear(f"trunk.ppnet.gates.logits.{k}", f"{gate}.2")
        task, layer = divmod(k, num_layers)
        yield from _linear(f"trunk.ppnet.layers.{task}.{layer}", f"ppnet.linears.{k}")


def _tower_names(tower: nn.Module, own: str, peer: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The peer numbers the steps of a layer: linear, normalization, activation."""
    for name in tower.state_dict():
        match name.split("."):
            case ["logit", rest]:
                yield f"{own}.{name}", (f"{peer}.linear.{rest}",)
            case ["mlp", "layers", layer, ("linear" | "norm") as step, rest]:
                index = 0 if step == "linear" else 1
                yield f"{own}.{name}", (f"{peer}.tower_mlp.mlp.{layer}.perceptron.{index}.{rest}",)


def _linear(own: str, *peers: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for kind in ("weight", "bias"):
        yield f"{own}.{kind}", tuple(f"{peer}.{kind}" for peer in peers)
