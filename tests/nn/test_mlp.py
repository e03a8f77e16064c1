from __future__ import annotations

import pytest
import torch
from torch import nn

from peprank.errors import TrainingError
from peprank.nn import MLP, AutoDis


def test_layers_are_linear_then_norm_then_activation_then_dropout() -> None:
    mlp = MLP(3, (4, 2), normalization="layer", activation=nn.Tanh, dropouts=(0.1, 0.0))
    assert [list(dict(layer.named_children())) for layer in mlp.layers] == [
        ["linear", "norm", "activation", "dropout"],
        ["linear", "norm", "activation"],
    ]
    assert mlp.out_dim == 2


def test_no_layers_return_the_input() -> None:
    x = torch.randn(2, 3)
    assert torch.equal(MLP(3, ())(x), x)


def test_batch_normalization_has_no_bias_beside_it() -> None:
    assert "layers.0.linear.bias" not in MLP(3, (4,), normalization="batch").state_dict()


def test_batch_normalization_refuses_one_row_in_training_and_takes_it_in_eval() -> None:
    mlp = MLP(3, (4,), normalization="batch")
    with pytest.raises(TrainingError) as error:
        mlp(torch.randn(1, 3))
    assert str(error.value) == (
        "mlp.use_bn: batch normalization in training got 1 row(s), which have no variance; "
        "use use_ln, larger batches or drop_remainder"
    )
    assert mlp.eval()(torch.randn(1, 3)).shape == (1, 4)


def test_autodis_mixes_meta_embeddings() -> None:
    autodis = AutoDis(1, 2, 2, temperature=1.0, keep_prob=1.0)
    with torch.no_grad():
        autodis.hidden.weight.copy_(torch.tensor([[1.0], [-1.0]]))  # h = leaky_relu(x, -x)
        autodis.mix.weight.zero_()
        autodis.meta.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0]]))
    vector = autodis(torch.tensor([[2.0]]))[0]  # h = (2, -0.02); softmax(h) = (0.88288, 0.11712)
    assert vector.tolist() == pytest.approx([0.88288, 1.1712], abs=1e-4)
