"""The same network with its tasks, or its domains, numbered in another order."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from peprank.models import MultiTaskRanker
from peprank.models.hmoe import HMoE
from peprank.models.pepnet import PEPNet
from peprank.models.ple import PLE
from peprank.models.ple_md import PLEMD
from peprank.models.star import Star
from peprank.nn import DomainExtraction, Experts, Extraction, PPNet

# Lists of modules, one per task.
_OF_TASKS = re.compile(
    r"((?:towers\.tasks|trunk\.ppnet\.layers|trunk\.(?:gates|pair_gates|relevance)|trunk\.task_experts\.networks"
    r"|trunk\.views\.\d+\.(?:gates|layers)|trunk\.levels\.\d+\.(?:task_experts|task_gates|pair_gates))\.)(\d+)(?=\.)"
)
# Lists of parts, one per domain.
_OF_DOMAIN_TOWERS = re.compile(r"(towers\.tasks\.\d+\.)(\d+)(?=\.)")
_OF_DOMAINS = re.compile(
    r"(trunk\.(?:layers\.domains|norm\.(?:gammas|betas|statistics)|domain_layer\.domains|domain_experts\.networks|views)\."
    r"|.*\.parts\.)(\d+)"
)


def tasks_in_order(ranker: MultiTaskRanker, order: list[int]) -> dict[str, Tensor]:
    """The weights of the net whose task k is this one's task `order[k]`."""
    weights = _clones(ranker)
    moved = {name: weights[_renumbered(_OF_TASKS, name, order)] for name in weights}
    if isinstance(ranker.trunk, PEPNet) and ranker.trunk.ppnet is not None:
        moved |= _gates_in_order(ranker.trunk.ppnet, weights, order)
    if isinstance(ranker.trunk, PLE | PLEMD):
        moved |= _shared_gates_in_order(ranker.trunk, weights, order)
    return moved


def domains_in_order(ranker: MultiTaskRanker, order: list[int], table: str) -> dict[str, Tensor]:
    """The weights of the net whose domain k, and row k of `table`, is this one's `order[k]`."""
    weights = _clones(ranker)
    moved = _copies_in_order(ranker, weights, order)
    moved[table] = _domain_rows_in_order(moved.get(table, weights[table]), order)
    moved |= {name: weights[_renumbered(_OF_DOMAINS, name, order)] for name in weights if _OF_DOMAINS.match(name)}
    if ranker.towers.num_domains > 1:
        of_towers = [name for name in weights if _OF_DOMAIN_TOWERS.match(name)]
        moved |= {name: weights[_renumbered(_OF_DOMAIN_TOWERS, name, order)] for name in of_towers}
    if isinstance(ranker.trunk, Star) and ranker.trunk.auxiliary is not None:
        moved |= _indicators_in_order(weights, order)
    if isinstance(ranker.trunk, HMoE):
        moved |= _relevance_in_order(moved, order)
    return weights | moved


def _copies_in_order(ranker: MultiTaskRanker, weights: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """Tables of which each domain has a copy."""
    if ranker.embeddings.num_domains == 1:
        return {}
    tables = [name for name in weights if name.endswith("_emb.weight")]
    return {name: _chunks(weights[name], order) for name in tables}


def _domain_rows_in_order(table: Tensor, order: list[int]) -> Tensor:
    """The domain feature's table, whose rows are the domains, copy by copy."""
    return torch.cat([_chunks(copy, order) for copy in table.chunk(len(table) // len(order))])


def _indicators_in_order(weights: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """The auxiliary network's last columns read which domain it is."""
    name = "trunk.auxiliary.layers.0.linear.weight"
    rest = weights[name].shape[1] - len(order)
    return {name: weights[name][:, [*range(rest), *(rest + source for source in order)]]}


def _relevance_in_order(moved: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """A relevance gate has a row for each domain."""
    logits = [name for name in moved if re.match(r"trunk\.relevance\.\d+\.parts\.\d+\.logit\.", name)]
    return {name: moved[name][torch.tensor(order)] for name in logits}


def _clones(ranker: MultiTaskRanker) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in ranker.weights().items()}


def _renumbered(pattern: re.Pattern[str], name: str, order: list[int]) -> str:
    return pattern.sub(lambda match: f"{match[1]}{order[int(match[2])]}", name)


def _gates_in_order(ppnet: PPNet, weights: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    if ppnet.gates_jointly:
        return {name: _chunks(weights[name], order) for name in weights if ".gates.logits." in name}
    num_layers = len(ppnet.activations)
    place = [source * num_layers + layer for source in order for layer in range(num_layers)]
    of_gate = re.compile(r"(trunk\.ppnet\.gates\.logits\.)(\d+)(?=\.)")
    moved = {name: weights[_renumbered(of_gate, name, place)] for name in weights if of_gate.match(name)}
    hidden = [f"trunk.ppnet.gates.hidden.{kind}" for kind in ("weight", "bias")]
    return moved | {name: _chunks(weights[name], order) for name in hidden}


def _shared_gates_in_order(trunk: PLE | PLEMD, weights: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """A shared gate has a row for each expert of each task in turn, then for the others."""
    moved = {}
    for index, level in enumerate(trunk.levels):
        assert isinstance(level, Extraction | DomainExtraction)
        own = sum(len(experts.networks) for experts in level.task_experts if isinstance(experts, Experts))
        for name in (f"trunk.levels.{index}.shared_gate.logit.{kind}" for kind in ("weight", "bias")):
            if name in weights:
                moved[name] = torch.cat([_chunks(weights[name][:own], order), weights[name][own:]])
    return moved


def _chunks(weight: Tensor, order: list[int]) -> Tensor:
    """Rows of the tasks, which have equally many, in another order."""
    return torch.cat([weight.chunk(len(order))[source] for source in order])
