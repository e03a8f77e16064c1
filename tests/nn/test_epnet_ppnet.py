from __future__ import annotations

import pytest
import torch
from torch import nn

from peprank.nn import EPNet, PPNet
from peprank.nn.ppnet import WiringName


def test_epnet_scales_the_embedding_by_its_gate() -> None:
    epnet = EPNet(1, 2)
    for parameter, value in zip(epnet.parameters(), (0.0, 0.0, 0.0, 1.0), strict=True):  # W1 b1 W2 b2
        nn.init.constant_(parameter, value)
    o_ep = epnet(torch.zeros(1, 1), torch.tensor([[1.0, -3.0]]))
    assert o_ep.tolist()[0] == pytest.approx([1.4621172, -4.3863516])  # 2 sigmoid(1) = 1.4621172


def test_field_gate_gives_all_units_of_a_field_one_number() -> None:
    torch.manual_seed(0)
    epnet = EPNet(2, 6, field_dims=[3, 1, 2])
    delta = epnet(torch.randn(4, 2), torch.ones(4, 6))
    assert epnet.gate.logit.out_features == 3
    assert torch.equal(delta, delta[:, [0, 0, 0, 3, 4, 4]])
    assert len(delta.unique()) == 12


def test_field_dims_must_fill_the_embedding() -> None:
    with pytest.raises(ValueError, match=r"^field_dims sum to 5: must sum to main_dim, which is 6$"):
        EPNet(2, 6, field_dims=[3, 2])


@pytest.mark.parametrize(
    ("wiring", "hidden_dims", "out_dims"),
    [
        ("PAPER", [10, 8, 4], [30, 24, 12]),  # O_ep, layer 1, layer 2; three tasks each
        ("HIDDEN_ONLY", [8, 4], [24, 12]),
        ("TZREC", [8, 4, 8, 4, 8, 4], [8, 4, 8, 4, 8, 4]),
    ],
)
def test_wirings_have_their_gates(wiring: WiringName, hidden_dims: list[int], out_dims: list[int]) -> None:
    ppnet = PPNet(10, 5, 3, (8, 4), wiring=wiring)
    assert (ppnet.gates.hidden_dims, ppnet.gates.out_dims) == (hidden_dims, out_dims)
    assert ppnet.gates.hidden.in_features == 15
    assert ppnet(torch.randn(2, 10), torch.randn(2, 5)).shape == (2, 3, 4)


@pytest.mark.parametrize("wiring", ["PAPER", "HIDDEN_ONLY", "TZREC"])
def test_gates_without_the_general_input_read_their_prior_alone(wiring: WiringName) -> None:
    torch.manual_seed(0)
    epnet, ppnet = EPNet(3, 10, general="LEFT_OUT"), PPNet(10, 5, 3, (8, 4), wiring=wiring, general="LEFT_OUT")
    assert (epnet.gate.hidden.in_features, ppnet.gates.hidden.in_features) == (3, 5)
    domain, prior = torch.randn(2, 3), torch.randn(2, 5)
    one, other = torch.randn(2, 10), torch.randn(2, 10)
    assert torch.equal(epnet.delta(domain, one), epnet.delta(domain, other))
    for of_one, of_other in zip(ppnet.deltas(one, prior), ppnet.deltas(other, prior), strict=True):
        assert all(map(torch.equal, of_one, of_other))


def test_an_attached_general_input_changes_no_number() -> None:
    torch.manual_seed(0)
    detached, attached = PPNet(10, 5, 3, (8, 4)), PPNet(10, 5, 3, (8, 4), general="ATTACHED")
    attached.load_state_dict(detached.state_dict())
    o_ep, prior = torch.randn(6, 10), torch.randn(6, 5)
    assert torch.equal(attached(o_ep, prior), detached(o_ep, prior))


def test_gate_hidden_width_can_be_chosen() -> None:
    assert PPNet(10, 5, 3, (8, 4), gate_hidden_dim=6).gates.hidden_dims == [6, 6, 6]


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    ppnet = PPNet(10, 5, 1, (50,), activation=nn.Sigmoid, dropouts=(0.5,))
    o_ep, prior = torch.randn(20, 10), torch.randn(20, 5)
    assert 0.3 < (ppnet(o_ep, prior) == 0).float().mean() < 0.7
    assert (ppnet.eval()(o_ep, prior) != 0).all()
