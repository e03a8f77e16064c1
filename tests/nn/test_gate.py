from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from peprank.nn import GateBank, GateNU


def filled(gate: nn.Module, *values: float) -> nn.Module:
    for parameter, value in zip(gate.parameters(), values, strict=True):  # W1 b1 W2 b2
        nn.init.constant_(parameter, value)
    return gate


def test_gate_equals_the_equation() -> None:
    gate = filled(GateNU(1, 1), 3.0, 0.0, 1.0, -3.0)
    assert gate(torch.tensor([[1.0]])).item() == pytest.approx(1.0)  # 2 * sigmoid(1 * relu(3) - 3)


def test_gate_reads_prior_then_observed() -> None:
    gate = GateNU(1, 1, observed_dim=1, gamma=4.0)
    filled(gate, 0.0, 0.0, 1.0, -7.0)
    with torch.no_grad():
        gate.hidden.weight.copy_(torch.tensor([[1.0, 2.0]]))
    delta = gate(torch.tensor([[3.0]]), torch.tensor([[2.0]]))
    assert delta.item() == pytest.approx(2.0)  # 4 * sigmoid(relu(1 * 3 + 2 * 2) - 7)


def test_gate_stays_between_zero_and_gamma() -> None:
    torch.manual_seed(0)
    delta = GateNU(4, 3, gamma=1.5)(100 * torch.randn(50, 4))
    assert delta.min() >= 0  # floats saturate
    assert delta.max() <= 1.5


def test_gate_computes_no_gradient_towards_what_it_observes() -> None:
    gate = GateNU(2, 3, observed_dim=4)
    prior, observed = torch.randn(5, 2, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    torch.autograd.backward(gate(prior, observed).sum())
    assert observed.grad is None
    assert prior.grad is not None
    assert prior.grad.abs().sum() > 0


def test_bank_equals_separate_gates() -> None:
    torch.manual_seed(0)
    out_dims, hidden_dims = (3, 5, 2), (4, 6, 1)
    bank = GateBank(2, out_dims, observed_dim=3, hidden_dims=hidden_dims, gamma=1.7)
    gates = [GateNU(2, o, observed_dim=3, hidden_dim=h, gamma=1.7) for o, h in zip(out_dims, hidden_dims, strict=True)]
    with torch.no_grad():
        bank.hidden.weight.copy_(torch.cat([gate.hidden.weight for gate in gates]))
        bank.hidden.bias.copy_(torch.cat([gate.hidden.bias for gate in gates]))
        for logit, gate in zip(bank.logits, gates, strict=True):
            logit.load_state_dict(gate.logit.state_dict())
    joint = torch.randn(7, 2, requires_grad=True)
    apart = joint.detach().clone().requires_grad_()
    observed = torch.randn(7, 3)

    deltas, expected = bank(joint, observed), [gate(apart, observed) for gate in gates]
    assert [delta.shape[1] for delta in deltas] == list(out_dims)
    for delta, of_gate in zip(deltas, expected, strict=True):
        torch.testing.assert_close(delta, of_gate)

    torch.autograd.backward(_weighted_sum(deltas))
    torch.autograd.backward(_weighted_sum(expected))
    torch.testing.assert_close(joint.grad, apart.grad)
    grads = [gate.hidden.weight.grad for gate in gates]
    torch.testing.assert_close(bank.hidden.weight.grad, torch.cat([g for g in grads if g is not None]))


def test_a_dropped_unit_has_no_delta_and_no_gradient_and_the_others_make_up_for_it() -> None:
    torch.manual_seed(0)
    bank = GateBank(2, (40, 30), dropouts=(0.5, 0.0))
    prior = torch.randn(20, 2)
    whole = bank.eval()(prior)
    deltas = bank.train()(prior)
    torch.testing.assert_close(deltas[1], whole[1])
    kept = deltas[0] != 0
    assert 0.4 < kept.float().mean() < 0.6
    torch.testing.assert_close(deltas[0], torch.where(kept, 2 * whole[0], 0.0))

    torch.autograd.backward(deltas[0].sum())
    found = bank.logits[0].bias.grad
    slope = whole[0] * (1 - whole[0] / 2)  # of gamma sigmoid(z) by z
    torch.testing.assert_close(found, torch.where(kept, 2 * slope, 0.0).sum(0))


@pytest.mark.parametrize("observed_dim", [0, 3])
def test_the_written_out_derivative_agrees_with_finite_differences(observed_dim: int) -> None:
    torch.manual_seed(0)
    bank = GateBank(2, (3, 4), observed_dim=observed_dim, hidden_dims=(5, 2), gamma=1.3).double()
    prior = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    observed = torch.randn(6, observed_dim, dtype=torch.float64) if observed_dim else None
    names = [name for name, _ in bank.named_parameters()]

    def deltas(prior: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.func.functional_call(bank, dict(zip(names, values, strict=True)), (prior, observed)))

    assert torch.autograd.gradcheck(deltas, (prior, *bank.parameters()))


def test_under_autocast_the_bank_computes_as_linear_maps_do() -> None:
    torch.manual_seed(0)
    bank, gate = GateBank(4, (8,), observed_dim=4), GateNU(4, 8, observed_dim=4)
    with torch.no_grad():
        for mine, other in zip(bank.parameters(), gate.parameters(), strict=True):
            mine.copy_(other)
    prior, observed = torch.randn(16, 4), torch.randn(16, 4)
    with torch.autocast("cpu", torch.bfloat16):
        mine, other = bank(prior, observed)[0], gate(prior, observed)
    assert mine.dtype == other.dtype == torch.bfloat16
    torch.testing.assert_close(mine, other, atol=0.03, rtol=0.02)
    torch.autograd.backward(mine.float().square().sum())
    torch.autograd.backward(other.float().square().sum())
    for parameter, reference in zip(bank.parameters(), gate.parameters(), strict=True):
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        torch.testing.assert_close(parameter.grad, reference.grad, atol=0.1, rtol=0.05)


def _weighted_sum(deltas: list[Tensor]) -> Tensor:
    return torch.stack([(delta * (k + 1)).sum() for k, delta in enumerate(deltas)]).sum()
