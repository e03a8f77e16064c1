"""The conformance list of PEPNet, measured: each claim gives its largest deviation from what must hold.

`scripts/conformance` writes the table of docs/conformance.md from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models import build, score
from peprank.models.pepnet import PEPNet
from peprank.nn import EPNet, PPNet
from tests.contract.models import EVERY_PEPNET, PAPER, TZREC, some_features, some_labels, take_rows
from tests.contract.order import tasks_in_order
from tests.reference import parity
from tests.reference.fixtures import CASES
from tests.reference.twins import VARIANTS, WIRINGS, Variant, twins


@dataclass(frozen=True)
class Claim:
    """One line of the list."""

    line: int
    text: str
    bound: float  # the deviation may not exceed it
    measure: Callable[[], float]
    needs_fixtures: bool = False


def zeroed_gates_leave_the_net_as_without_gates() -> float:
    worst = 0.0
    for wiring in WIRINGS:
        torch.manual_seed(0)
        net = _net(Variant(wiring))
        groups = _groups()
        assert net.epnet is not None
        assert net.ppnet is not None
        for logit in (net.epnet.gate.logit, *net.ppnet.gates.logits):
            nn.init.zeros_(logit.weight)
            nn.init.zeros_(logit.bias)
        plain = []
        for layers in net.ppnet.layers:
            hidden = groups["all"]
            for layer in layers.children():
                hidden = torch.relu(layer(hidden))
            plain.append(hidden)
        worst = max(worst, _gap(net(groups, _DOMAIN), torch.stack(plain, dim=1)))
    return worst


def the_gradient_of_e_is_delta_times_that_of_o_ep() -> float:
    torch.manual_seed(0)
    epnet = EPNet(3, 6)
    main, domain = torch.randn(7, 6, requires_grad=True), torch.randn(7, 3)
    steering = torch.randn(7, 6)  # dL / dO_ep
    torch.autograd.backward(epnet(domain, main), steering)
    assert main.grad is not None
    return _gap(main.grad, epnet.gate(domain, main) * steering)


def priors_get_gradients() -> float:
    """Zero when both do: the share of prior columns without a gradient."""
    idle = []
    for wiring in WIRINGS:
        torch.manual_seed(0)
        groups = _groups()
        torch.autograd.backward(_net(Variant(wiring))(groups, _DOMAIN).sum())
        for name in ("domain", "uia"):
            gradient = groups[name].grad
            assert gradient is not None
            idle.append((gradient.abs().sum(0) == 0).float().mean().item())
    return max(idle)


def ppnet_gates_send_nothing_into_o_ep() -> float:
    """Largest gradient that reaches E or EPNet when only the gates of PPNet can carry one."""
    worst = 0.0
    for wiring in WIRINGS:
        torch.manual_seed(0)
        net, groups = _net(Variant(wiring)), _groups()
        assert net.epnet is not None
        assert net.ppnet is not None
        o_ep = net.epnet(groups["domain"], groups["all"])
        torch.autograd.backward(sum(delta.sum() for delta in net.ppnet.gates(groups["uia"], o_ep)))
        reached = [groups["all"].grad, groups["domain"].grad, *(value.grad for value in net.epnet.parameters())]
        worst = max([worst, *(gradient.abs().max().item() for gradient in reached if gradient is not None)])
        assert groups["uia"].grad is not None
    return worst


def ablations_send_gradients_where_they_say() -> float:
    """Share of the columns of E, F_d, O_ep and O_prior that the gates alone reach though they should not, or miss."""
    worst = 0.0
    for kind in VARIANTS:
        torch.manual_seed(0)
        net, groups = _net(kind), _groups()
        assert net.epnet is not None
        assert net.ppnet is not None
        is_attached = kind.general == "ATTACHED"
        torch.autograd.backward(net.epnet.delta(groups["domain"], groups["all"]).sum())
        o_ep = torch.randn(7, 6, requires_grad=True)
        of_tasks = net.ppnet.deltas(o_ep, groups["uia"])
        torch.autograd.backward([delta.sum() for deltas in of_tasks for delta in deltas])
        expected = (
            (groups["all"], is_attached),
            (groups["domain"], True),
            (o_ep, is_attached),
            (groups["uia"], not kind.detached_priors),
        )
        for value, is_reached in expected:
            gradient = torch.zeros_like(value) if value.grad is None else value.grad
            worst = max(worst, ((gradient != 0).any(0) != is_reached).float().mean().item())
    return worst


def permuting_task_chunks_permutes_the_outputs() -> float:
    order, worst = [2, 0, 1], 0.0
    for spec in (PAPER, TZREC, EVERY_PEPNET["hidden_only"], EVERY_PEPNET["domain_towers"]):
        ranker, permuted, features = build(spec, seed=1), build(spec, seed=2), some_features(9)
        permuted.load_weights(tasks_in_order(ranker, order))
        worst = max(worst, _gap(score(permuted, features), score(ranker, features)[:, order]))
    return worst


def labels_of_a_task_leave_the_other_towers() -> float:
    """Largest change of a gradient of tasks 1 and 2 when the labels of task 0 are turned round."""
    worst = 0.0
    for spec in (PAPER, TZREC, EVERY_PEPNET["domain_towers"]):
        gradients = []
        for turned in (False, True):
            ranker, labels = build(spec, seed=1), some_labels(spec, 30)
            if turned:
                labels[:, 0] = 1 - labels[:, 0]
            torch.autograd.backward(F.binary_cross_entropy_with_logits(ranker(some_features(30)), labels))
            gradients.append({name: value.grad for name, value in ranker.dense_parameters() if value.grad is not None})
        own = [name for name in gradients[0] if ".layers.0." in name or "towers.tasks.0." in name]
        others = [n for n in gradients[0] if "towers.tasks." in n or ".ppnet.layers." in n]
        others = [n for n in others if not n.startswith(("towers.tasks.0.", "trunk.ppnet.layers.0."))]
        assert any(_gap(gradients[0][name], gradients[1][name]) > 1e-3 for name in own)
        worst = max([worst, *(_gap(gradients[0][name], gradients[1][name]) for name in others)])
    return worst


def probabilities_lie_between_zero_and_one() -> float:
    """Share of probabilities outside (0, 1)."""
    probs = [torch.sigmoid(score(build(spec, seed=1), some_features(50))) for spec in EVERY_PEPNET.values()]
    return max(((p <= 0) | (p >= 1)).float().mean().item() for p in probs)


def the_loops_agree_forward() -> float:
    return max(twins(kind).forward_deviation() for kind in VARIANTS)


def finite_differences_agree_with_the_gradients() -> float:
    return max(twins(kind).gradient_deviation() for kind in VARIANTS)


def torcheasyrec_logits_agree() -> float:
    return max(parity.logit_deviation(case) for case in CASES)


def torcheasyrec_gradients_agree() -> float:
    return max(parity.gradient_deviation(case) for case in CASES)


def a_row_scores_the_same_alone() -> float:
    worst = 0.0
    for spec in EVERY_PEPNET.values():
        ranker, features = build(spec, seed=1), some_features(9)
        together = score(ranker, features)
        worst = max([worst, *(_gap(score(ranker, take_rows(features, [b]))[0], together[b]) for b in range(9))])
        assert len(score(ranker, some_features(0))) == 0
    return worst


CLAIMS = (
    Claim(1, "Gates whose second layer is zero change no bit", 0.0, zeroed_gates_leave_the_net_as_without_gates),
    Claim(2, "dL/dE = δ_domain ⊗ dL/dO_ep", 0.0, the_gradient_of_e_is_delta_times_that_of_o_ep),
    Claim(
        3,
        "dL/dE(F_d), dL/dO_prior are not zero (idle columns)",
        0.0,
        priors_get_gradients,
    ),
    Claim(4, "PPNet's gates send nothing to E or EPNet", 0.0, ppnet_gates_send_nothing_into_o_ep),
    Claim(4, "Ablations open and close those paths (wrong columns)", 0.0, ablations_send_gradients_where_they_say),
    Claim(5, "Permuting task chunks permutes the outputs", 1e-6, permuting_task_chunks_permutes_the_outputs),
    Claim(6, "A task's labels leave the other towers' gradients", 0.0, labels_of_a_task_leave_the_other_towers),
    Claim(7, "Probabilities lie in (0, 1) (share outside)", 0.0, probabilities_lie_between_zero_and_one),
    Claim(8, "Loops in NumPy, forward, float64", 1e-12, the_loops_agree_forward),
    Claim(8, "Loops in NumPy, finite differences", 1e-6, finite_differences_agree_with_the_gradients),
    Claim(8, "TorchEasyRec, logits", 1e-5, torcheasyrec_logits_agree, needs_fixtures=True),
    Claim(8, "TorchEasyRec, gradients", 1e-5, torcheasyrec_gradients_agree, needs_fixtures=True),
    Claim(8, "TorchEasyRec, weights after 5 steps", 1e-5, parity.trajectory_deviation, needs_fixtures=True),
    Claim(9, "A row scores the same alone as in a batch", 1e-6, a_row_scores_the_same_alone),
)

_DOMAIN = torch.zeros(7, dtype=torch.int64)


def _net(kind: Variant) -> PEPNet:
    epnet = EPNet(3, 6, general=kind.general)
    ppnet = PPNet(6, 4, 3, (5, 4), wiring=kind.wiring, general=kind.general, detached_priors=kind.detached_priors)
    return PEPNet("all", 6, 3, domain_group="domain", epnet=epnet, prior_group="uia", ppnet=ppnet)


def _groups() -> dict[str, Tensor]:
    return {name: torch.randn(7, dim, requires_grad=True) for name, dim in (("all", 6), ("domain", 3), ("uia", 4))}


def _gap(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()
