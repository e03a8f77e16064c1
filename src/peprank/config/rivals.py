"""Configs of rivals, derived from one config: the same features, rows, tasks and training, another model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Final

from google.protobuf import text_format

from peprank.config.place import listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.read import ConfigFile
from peprank.errors import SpecError

_USUAL_HIDDEN: Final = (128, 64)  # where the base model has no layers to go by
_STEP: Final = 4  # widths from 64 on are multiples of it, which products are faster for


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The config that rivals are derived from."""

    file: ConfigFile
    domain_feature: str | None  # as the plan has it
    num_domains: int  # ids of that feature
    embedded: tuple[str, ...]  # features of its model that have an embedding table
    linear_init: str  # what its linear maps start from, "TORCH" or "XAVIER"; those of its rivals do as well

    @property
    def model(self) -> pb.ModelConfig:
        """Its `model_config`."""
        return self.file.message.model_config

    @property
    def kind(self) -> str:
        """The member that names its model."""
        return self.model.WhichOneof("model") or ""

    @property
    def towers(self) -> Sequence[pb.TaskTower]:
        """Its tasks."""
        towers: Sequence[pb.TaskTower] = getattr(self.model, self.kind).task_towers
        return towers

    @property
    def hidden_dims(self) -> tuple[int, ...]:
        """Widths of a task's layers in it, which the layers of rivals are scaled from."""
        of_ppnet = tuple(self.model.pepnet.ppnet_hidden_units) if self.kind == "pepnet" else ()
        of_towers = next((tuple(tower.mlp.hidden_units) for tower in self.towers if tower.mlp.hidden_units), ())
        return of_ppnet or of_towers or _USUAL_HIDDEN


def derive(base: Base, model: str, *, width: float = 1.0, tasks: Sequence[str] | None = None) -> str:
    """The text of a config like the base with another model in it.

    The rival reads the base model's groups joined into one input, the priors among them. Nothing else changes, but that
    no checkpoint is picked by an evaluation: the last one counts.

    Args:
        model: a name of `RIVALS`; "base" is the base's own.
        width: factor on the widths of the rival's layers.
        tasks: towers to keep; None: all.

    Raises:
        SpecError: there is no such rival, or the base lacks what it needs.
    """
    if model not in RIVALS:
        known = ["pepnet", "single", "trees", *(name for name in RIVALS if name != "base")]
        rule = f"is no model{meant(model, known)}; there are {listing(known, at_most=40)}"
        raise SpecError("--models", model, rule)
    config = pb.EasyRecConfig()
    config.CopyFrom(base.file.message)
    RIVALS[model](base, config.model_config, width)
    config.model_config.linear_init = pb.LinearInit.Value(base.linear_init)
    if tasks is not None:
        _keep_tasks(config.model_config, tasks)
    config.ClearField("export_config")
    if tasks is not None and config.train_config.HasField("early_stopping"):
        config.train_config.ClearField("early_stopping")  # it may name the metric of another task
    return str(text_format.MessageToString(config))


def _keep_tasks(model: pb.ModelConfig, tasks: Sequence[str]) -> None:
    trunk = getattr(model, model.WhichOneof("model") or "")
    kept = [tower for tower in trunk.task_towers if tower.tower_name in tasks]
    del trunk.task_towers[:]
    trunk.task_towers.extend(kept)


# One function per rival turns the base's model_config, which it is given a copy of, into the rival's.


def _same(base: Base, model: pb.ModelConfig, width: float) -> None:
    """The base's own model."""


def _crossed(base: Base, model: pb.ModelConfig, width: float) -> None:
    """PEPNet with a cross network between EPNet and PPNet."""
    _check_pepnet(base, "pepnet_cross")
    trunk, hidden = model.pepnet, _scaled(base.hidden_dims, width)
    trunk.cross.SetInParent()
    if trunk.ppnet_hidden_units:
        trunk.ppnet_hidden_units[:] = hidden
    else:
        _set_layers(trunk.task_towers, hidden)


def _check_pepnet(base: Base, rival: str) -> None:
    if base.kind != "pepnet":
        raise SpecError("--models", rival, "needs a base config with pepnet { ... } in it")


def _without(half: str) -> Callable[[Base, pb.ModelConfig, float], None]:
    """PEPNet with one of its halves; the features that only the other half read join the main group."""

    def turn(base: Base, model: pb.ModelConfig, width: float) -> None:
        _check_pepnet(base, f"without {half}")
        trunk = model.pepnet
        group = trunk.domain_group_name if half == "epnet" else trunk.uia_group_name
        _into_main(model, group, trunk.main_group_name)
        prefixes = ("epnet_", "domain_group_name") if half == "epnet" else ("ppnet_", "uia_", "wiring", "detached_")
        for field, _ in trunk.ListFields():
            if field.name.startswith(prefixes):
                trunk.ClearField(field.name)  # type: ignore[arg-type]
        _name_domain(base, model)
        hidden = _scaled(base.hidden_dims, width)
        if half == "ppnet":
            _set_layers(trunk.task_towers, hidden)
        else:
            trunk.ppnet_hidden_units[:] = hidden

    return turn


def _into_main(model: pb.ModelConfig, group: str, main: str) -> None:
    """Take a feature group apart; what the main group lacks of it goes there."""
    named = {each.group_name: each for each in model.feature_groups}
    if group not in named or main not in named:
        return
    into = named[main]
    into.feature_names.extend(name for name in named[group].feature_names if name not in into.feature_names)
    kept = [each for each in model.feature_groups if each.group_name != group]
    del model.feature_groups[:]
    model.feature_groups.extend(kept)


def _rival(body: str, *, tower_layers: int | None = 1) -> Callable[[Base, pb.ModelConfig, float], None]:
    """A rival whose message is `body`, with $places for inputs and widths.

    Args:
        tower_layers: how many of the layers, counted from the last, are the task towers'; None: all.
    """

    def turn(base: Base, model: pb.ModelConfig, width: float) -> None:
        towers, groups = list(base.towers), list(_groups(base))
        hidden = _scaled(base.hidden_dims, width)
        places = {
            "inputs": f"input_group_names: [{_quoted(groups)}]",
            "embedded": _quoted(base.embedded),
            "hidden": list(hidden),
            "first": hidden[0],
            "last": hidden[-1],
            "domains": base.num_domains,
        }
        model.ClearField(base.kind)  # type: ignore[arg-type]
        text_format.Merge(Template(body).substitute(places), model)
        trunk = getattr(model, model.WhichOneof("model") or "")
        trunk.task_towers.extend(towers)
        _set_layers(trunk.task_towers, hidden if tower_layers is None else hidden[len(hidden) - tower_layers :])
        _name_domain(base, model)

    return turn


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(json.dumps(name) for name in names)


def _groups(base: Base) -> Iterator[str]:
    """The groups that the base's model reads."""
    trunk = getattr(base.model, base.kind)
    if base.kind == "pepnet":
        read = [trunk.main_group_name, trunk.domain_group_name, trunk.uia_group_name]
    else:
        read = list(trunk.input_group_names) or [base.model.feature_groups[0].group_name]
    known = {group.group_name for group in base.model.feature_groups}
    return (name for name in read if name in known)


def _set_layers(towers: Sequence[pb.TaskTower], hidden: Sequence[int]) -> None:
    for tower in towers:
        tower.ClearField("mlp")
        tower.mlp.hidden_units.extend(hidden)


def _name_domain(base: Base, model: pb.ModelConfig) -> None:
    """Write down which feature says the domain; PEPNet may go without."""
    if base.domain_feature is not None:
        model.domain_feature = base.domain_feature


def _scaled(dims: Sequence[int], width: float) -> tuple[int, ...]:
    return tuple(_whole(dim * width) for dim in dims)


def _whole(dim: float) -> int:
    return round(dim / _STEP) * _STEP if dim >= 16 * _STEP else max(1, round(dim))


# Ids in tables of one width, which sums and products of their vectors need.
_WIDE, _FM = (
    f"feature_groups {{ group_name: '{name}' group_type: WIDE feature_names: [$embedded] }}" for name in ("wide", "fm")
)
_MLP = "{ hidden_units: $hidden }"

RIVALS: Final[Mapping[str, Callable[[Base, pb.ModelConfig, float], None]]] = {
    "base": _same,
    "epnet": _without("ppnet"),
    "ppnet": _without("epnet"),
    "pepnet_cross": _crossed,
    "simple_multi_task": _rival("simple_multi_task { $inputs }", tower_layers=None),
    "shared_bottom": _rival(f"shared_bottom {{ $inputs bottom_mlp {_MLP} }}"),
    "specific_top": _rival(f"shared_bottom {{ $inputs bottom_mlp {_MLP} task_domain_num: $domains }}"),
    "specific_all": _rival(
        f"shared_bottom {{ $inputs bottom_mlp {_MLP} task_domain_num: $domains }} embeddings_per_domain: true"
    ),
    "mmoe": _rival(f"mmoe {{ $inputs num_expert: 4 expert_mlp {_MLP} }}"),
    "ple": _rival(
        'ple { $inputs extraction_networks { network_name: "cgc" expert_num_per_task: 1 share_num: 2 '
        f"task_expert_net {_MLP} share_expert_net {_MLP} }} }}"
    ),
    "ple_md": _rival(
        'ple_md { $inputs extraction_networks { network_name: "cgc" expert_num_per_task: 1 expert_num_per_domain: 1 '
        f"share_num: 2 expert_mlp {_MLP} }} }}"
    ),
    "hmoe": _rival(  # towers without layers: what is mixed is then the prediction, as in the paper
        f"hmoe {{ $inputs num_expert: 4 expert_mlp {_MLP} domain_mlp {{ hidden_units: $last }} }}", tower_layers=0
    ),
    "m3oe": _rival(
        "m3oe { $inputs domain_hidden_unit: $first common_mlp { hidden_units: $first } num_expert: 4 "
        "expert_mlp { hidden_units: $last use_ln: true } task_domain_num: $domains }"
    ),
    "star": _rival(f"star {{ $inputs star_mlp {_MLP} }}"),
    "deepfm": _rival(f"deepfm {{ $inputs deep {_MLP} final {{}} wide_embedding_dim: 8 }} {_WIDE} {_FM}"),
    "dcn_v1": _rival(f"dcn_v1 {{ $inputs cross {{}} deep {_MLP} final {{}} }}"),
    "dcn_v2": _rival(f"dcn_v2 {{ $inputs cross {{}} deep {_MLP} final {{}} }}"),
    "xdeepfm": _rival(
        f"xdeepfm {{ $inputs cin {{ cin_layer_size: [16, 16] }} deep {_MLP} final {{}} wide_embedding_dim: 8 }} {_WIDE}"
    ),
}
