from __future__ import annotations

import pytest
import torch
from torch import Tensor

from peprank.errors import ArtifactError
from peprank.models import build, from_torcheasyrec, score
from peprank.models.peer import peer_names
from tests.contract.models import DOMAIN_TOWERS, EVERY_MODEL, SIMPLE_MULTI_TASK
from tests.reference.fixtures import load
from tests.shared import needs_shared


def peer_weights() -> dict[str, Tensor]:
    return load("epnet_ppnet_domain_towers").tensors("w/")


@needs_shared
def test_every_weight_of_the_peer_has_its_place() -> None:
    ranker = build(load("epnet_ppnet_domain_towers").spec, seed=0)
    names = [name for parts in peer_names(ranker).values() for name in parts]
    assert sorted(names) == sorted(peer_weights())
    assert len(peer_names(ranker)) == len(ranker.weights())


@needs_shared
def test_names_may_carry_the_checkpoints_prefix() -> None:
    spec, features = load("epnet_ppnet_domain_towers").spec, load("epnet_ppnet_domain_towers").features()
    plain, prefixed = build(spec, seed=0), build(spec, seed=1)
    from_torcheasyrec(plain, peer_weights())
    from_torcheasyrec(prefixed, {f"model.{name}": value for name, value in peer_weights().items()})
    assert torch.equal(score(plain, features), score(prefixed, features))


@needs_shared
def test_a_missing_weight_is_named() -> None:
    weights = peer_weights()
    del weights["ppnet.linears.2.bias"]
    with pytest.raises(ArtifactError) as error:
        from_torcheasyrec(build(load("epnet_ppnet_domain_towers").spec, seed=0), weights)
    assert str(error.value) == ("TorchEasyRec weights are missing: ['ppnet.linears.2.bias']; is the config the same?")


@needs_shared
def test_a_weight_without_a_place_is_named() -> None:
    weights = peer_weights() | {"ppnet.linears.9.bias": torch.zeros(1), "_metric_modules.auc": torch.zeros(1)}
    with pytest.raises(ArtifactError) as error:
        from_torcheasyrec(build(load("epnet_ppnet_domain_towers").spec, seed=0), weights)
    assert str(error.value) == (
        "TorchEasyRec weights without a place here: ['ppnet.linears.9.bias']; is the config the same?"
    )


def test_parts_that_the_peer_does_not_have_are_named() -> None:
    with pytest.raises(ArtifactError) as error:
        from_torcheasyrec(build(EVERY_MODEL["hidden_only"], seed=0), {})
    assert str(error.value).startswith("TorchEasyRec has no names for these weights: ['embeddings.dense.type_dense.")
    assert "trunk.ppnet.gates.hidden.weight" in str(error.value)


def test_the_weights_of_a_rival_cannot_come_from_the_peer() -> None:
    with pytest.raises(ArtifactError) as error:
        from_torcheasyrec(build(SIMPLE_MULTI_TASK, seed=0), {})
    assert str(error.value) == (
        "this model's trunk is SimpleMultiTask: only a PEPNet takes TorchEasyRec's weights; "
        "train it here from the same config"
    )


def test_normalization_has_the_peers_numbers() -> None:
    names = peer_names(build(EVERY_MODEL["batch_norm"], seed=0))
    assert names["towers.tasks.1.0.mlp.layers.0.norm.running_mean"] == (
        "_task_tower.1.tower_mlp.mlp.0.perceptron.1.running_mean",
    )


def test_domain_towers_are_numbered_task_by_task() -> None:
    names = peer_names(build(DOMAIN_TOWERS, seed=0))
    assert names["towers.tasks.1.2.logit.bias"] == ("_task_tower.5.linear.bias",)
