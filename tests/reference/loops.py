"""The loops of each rival on the weights of its network: arrays and tensors share their memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import nn

from peprank.models import MultiTaskRanker
from peprank.models.dcn_v1 import DCNv1
from peprank.models.dcn_v2 import DCNv2
from peprank.models.deepfm import DeepFM
from peprank.models.hmoe import DomainView, HMoE
from peprank.models.m3oe import M3oE
from peprank.models.mmoe import MMoE
from peprank.models.ple import PLE
from peprank.models.ple_md import PLEMD
from peprank.models.shared_bottom import SharedBottom
from peprank.models.star import Star
from peprank.models.xdeepfm import XDeepFM
from peprank.nn import DomainExtraction, Experts, Extraction, PartitionedNorm, PerDomain
from tests.reference import dcn, deepfm, hmoe, m3oe, mmoe, ple, ple_md, shared_bottom, simple_multi_task, star, xdeepfm
from tests.reference.layers import Array, Layers, Linear

DOMAIN = (1, 0, 2, 1, 1)  # of each row


class Loops(Protocol):
    """A network written as loops."""

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        ...


def _towers(ranker: MultiTaskRanker) -> list[Layers]:
    return [_layers(towers) for towers in ranker.towers.tasks]


def _layers(module: nn.Module) -> Layers:
    """The linear maps of a module, in order."""
    return [_linear(part) for part in module.modules() if isinstance(part, nn.Linear)]


def _linear(linear: nn.Linear) -> Linear:
    weight = linear.weight.detach().numpy()
    return Linear(weight, np.zeros(len(weight)) if linear.bias is None else linear.bias.detach().numpy())


def _experts(module: nn.Module) -> list[Layers]:
    assert isinstance(module, Experts)
    return [_layers(network) for network in module.networks]


def of_simple_multi_task(ranker: MultiTaskRanker) -> Loops:
    return simple_multi_task.Net(_towers(ranker))


def of_shared_bottom(ranker: MultiTaskRanker) -> Loops:
    assert isinstance(ranker.trunk, SharedBottom)
    return shared_bottom.Net(_layers(ranker.trunk.bottom), _towers(ranker))


def of_mmoe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, MMoE)
    return mmoe.Net(_experts(trunk.experts), [_layers(gate) for gate in trunk.gates], _towers(ranker))


def of_ple(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, PLE)
    return ple.Net([_level(level) for level in trunk.levels if isinstance(level, Extraction)], _towers(ranker))


def _level(level: Extraction) -> ple.Level:
    return ple.Level(
        own=[_experts(experts) for experts in level.task_experts],
        gates=[_layers(gate)[0] for gate in level.task_gates],
        shared=[] if level.shared_experts is None else _experts(level.shared_experts),
        shared_gate=None if level.shared_gate is None else _layers(level.shared_gate)[0],
    )


def of_dcn_v1(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DCNv1)
    pairs = zip(_layers(trunk.cross.weights), trunk.cross.biases, strict=True)
    crossings: list[dcn.Crossing] = [dcn.VectorCross(w.weight[0], bias.detach().numpy()) for w, bias in pairs]
    return dcn.Net([], crossings, _layers(trunk.deep), _layers(trunk.final), _towers(ranker))


def of_dcn_v2(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DCNv2)
    crossings: list[dcn.Crossing] = [dcn.MatrixCross([*_layers(layer)]) for layer in trunk.cross.layers]
    deep = [] if trunk.deep is None else _layers(trunk.deep)
    return dcn.Net(_layers(trunk.backbone), crossings, deep, _layers(trunk.final), _towers(ranker))


def of_star(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, Star)
    return star.Net(
        DOMAIN,
        _layers(trunk.layers.shared),
        [_own(layers) for layers in trunk.layers.domains],
        _towers(ranker),
        norm=None if trunk.norm is None else _norm(trunk.norm),
        auxiliary=None if trunk.auxiliary is None else _layers(trunk.auxiliary),
    )


def of_scored_star(ranker: MultiTaskRanker) -> Loops:
    """Outside training, with moving statistics that some batches have left."""
    g = torch.Generator().manual_seed(1)
    for buffer in ranker.eval().buffers():
        if buffer.is_floating_point():
            buffer += torch.rand(buffer.shape, dtype=torch.float64, generator=g)
    return of_star(ranker)


def of_ple_md(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, PLEMD)
    levels = [_domain_level(level) for level in trunk.levels if isinstance(level, DomainExtraction)]
    return ple_md.Net(DOMAIN, levels, _towers(ranker))


def _domain_level(level: DomainExtraction) -> ple_md.Level:
    return ple_md.Level(
        of_tasks=[_experts(experts) for experts in level.task_experts],
        of_domains=[_experts(experts) for experts in level.domain_experts.parts],
        shared=_experts(level.shared_experts),
        pair_gates=[[gate[0] for gate in _of_domains(gates)] for gates in level.pair_gates],
        domain_gates=[] if level.domain_gates is None else [gate[0] for gate in _of_domains(level.domain_gates)],
        shared_gate=None if level.shared_gate is None else _layers(level.shared_gate)[0],
    )


def of_hmoe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, HMoE)
    views = [view for view in trunk.views if isinstance(view, DomainView)]
    return hmoe.Net(
        DOMAIN,
        _experts(trunk.experts),
        [hmoe.View([_layers(gate) for gate in view.gates], [_layers(mlp) for mlp in view.layers]) for view in views],
        [_of_domains(gates) for gates in trunk.relevance],
        _towers(ranker),
    )


def of_m3oe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, M3oE)
    assert trunk.beta_d is not None
    assert trunk.beta_t is not None
    weights = (trunk.alpha_d, trunk.alpha_t, trunk.beta_d, trunk.beta_t)
    return m3oe.Net(
        DOMAIN,
        _layers(trunk.domain_layer.shared)[0],
        [_own(layers)[0] for layers in trunk.domain_layer.domains],
        _layers(trunk.common_layer)[0],
        _layers(trunk.common),
        _experts(trunk.shared_experts),
        _experts(trunk.domain_experts),
        _experts(trunk.task_experts),
        [[gate[0] for gate in _of_domains(gates)] for gates in trunk.pair_gates],
        m3oe.Fusion(*(weight.logit.detach().numpy() for weight in weights)),
        _towers(ranker),
    )


def _of_domains(parts: nn.Module) -> list[Layers]:
    assert isinstance(parts, PerDomain)
    return [_layers(part) for part in parts.parts]


def _own(layers: nn.Module) -> Layers:
    """The weights of one domain."""
    values = [value.detach().numpy() for value in layers.parameters()]
    return [Linear(weight, bias) for weight, bias in zip(values[::2], values[1::2], strict=True)]


def _norm(norm: PartitionedNorm) -> star.Norm:
    buffers = dict(norm.named_buffers())
    return star.Norm(
        norm.gamma.detach().numpy(),
        norm.beta.detach().numpy(),
        [gamma.detach().numpy() for gamma in norm.gammas],
        [beta.detach().numpy() for beta in norm.betas],
        [value.numpy() for name, value in buffers.items() if name.endswith("running_mean")],
        [value.numpy() for name, value in buffers.items() if name.endswith("running_var")],
        norm.training,
    )


def of_deepfm(ranker: MultiTaskRanker, *, wide_dim: int) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DeepFM)
    final = None if trunk.final is None else _layers(trunk.final)
    return deepfm.Net(wide_dim, trunk.fields, _layers(trunk.deep), final, _towers(ranker))


def of_xdeepfm(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, XDeepFM)
    cin, fields = list(_layers(trunk.cin)), (trunk.cin.num_fields, trunk.cin.field_dim)
    return xdeepfm.Net(fields, cin, _layers(trunk.deep), _layers(trunk.final), _towers(ranker))
