"""Who takes part in a comparison: a model, and whether one net serves all, or one per domain, per task, or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from peprank import config
from peprank.compare.boosted_trees import require_lightgbm
from peprank.config import ConfigFile
from peprank.config.rivals import Base, derive
from peprank.errors import SpecError
from peprank.models.build import linear_init
from peprank.models.describe import describe
from peprank.spec.pipeline import PipelineSpec

SINGLE: Final = "single"  # a net per domain and task: what any joint model has to beat
TREES: Final = "trees"
_TREES_MODEL: Final = "gradient-boosted trees, LightGBM"
_SCOPES: Final = ("domain", "task")
_ALIASES: Final[Mapping[str, str]] = {SINGLE: "simple_multi_task@domain@task", "pepnet": "base"}
_CLOSE: Final = 0.1  # a matched net has the base's dense parameters up to this share
_NEAR: Final = 0.02  # and the search for its width ends here
_STEPS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """One network of a contender: what it is trained with, and how large it is."""

    tasks: tuple[str, ...]
    text: str  # of its config
    model: str  # such as "PEPNet, PAPER wiring"
    dense_parameters: int
    embedding_parameters: int
    multiply_adds: int  # per row


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One row of the comparison."""

    name: str  # "mmoe", "mmoe@domain", what the user calls a variant, the stem of a config file
    changes: tuple[str, ...] = ()  # its own ones to the base config
    per_domain: bool = False
    is_trees: bool = False
    nets: tuple[Net, ...]  # one for all tasks, or one per task; boosted trees read the base's config


def from_files(paths: Sequence[Path], overrides: Sequence[str] = ()) -> tuple[PipelineSpec, list[Contender]]:
    """Configs as they are; the first says the rows and tasks to judge by.

    Raises:
        ConfigError: a config cannot be used.
        SpecError: two files have one name, or tasks or eval rows differ.
    """
    files = [config.read(path, overrides) for path in paths]
    specs = [config.lower(file).spec for file in files]
    names = [path.stem for path in paths]
    for path, name, spec in zip(paths, names, specs, strict=True):
        if names.count(name) > 1:
            raise SpecError("CONFIG", str(path), f"another config is called {name!r} too; give each file a name")
        _check_comparable(path, spec, specs[0])
    return specs[0], [
        Contender(name=name, nets=(_net(derive(_base(file, spec), "base"), name),))
        for name, file, spec in zip(names, files, specs, strict=True)
    ]


def _check_comparable(path: Path, spec: PipelineSpec, first: PipelineSpec) -> None:
    tasks, of_first = ([(task.name, task.label, task.num_class) for task in each.model.tasks] for each in (spec, first))
    if tasks != of_first:
        raise SpecError("CONFIG", str(path), f"has other tasks than the first config: {tasks} and not {of_first}")
    if spec.eval_inputs != first.eval_inputs:
        raise SpecError("CONFIG", str(path), f"judges by {spec.eval_inputs}, the first config by {first.eval_inputs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a contender is to be, beside one base config."""

    name: str
    model: str  # `mmoe`, `mmoe@domain`, `deepfm@domain@task`, `single`, `trees`; `pepnet`: the base's own
    changes: tuple[str, ...] = ()  # to the base config, as --set takes them


def from_base(
    path: Path, entries: Sequence[Entry], *, overrides: Sequence[str] = (), match: bool = False
) -> tuple[PipelineSpec, list[Contender]]:
    """Rivals derived from one config.

    Args:
        overrides: changes to the config for all of them.
        match: scale the layers of each net to the base's number of dense parameters, within a tenth.

    Raises:
        ConfigError: the config cannot be used.
        SpecError: a model is not known, a name is there twice, or the base lacks what a rival needs.
        TrainingError: trees are asked for and LightGBM is not installed.
    """
    file = config.read(path, overrides)
    spec = config.lower(file).spec
    base = _base(file, spec)
    budget = _net(derive(base, "base"), str(path)).dense_parameters if match else None
    sizes = None if budget is None else _Sizes(budget)
    names, contenders = [entry.name for entry in entries], []
    for entry in entries:
        if names.count(entry.name) > 1:
            raise SpecError("--models", entry.name, "is there twice; give each contender a name of its own")
        file = config.read(path, [*overrides, *entry.changes])
        contenders.append(_contender(entry, replace(base, file=file), [task.name for task in spec.model.tasks], sizes))
    return spec, contenders


def _base(file: ConfigFile, spec: PipelineSpec) -> Base:
    domain = spec.model.domain
    return Base(
        file=file,
        domain_feature=domain.feature if domain else None,
        num_domains=domain.num_domains if domain else 0,
        embedded=tuple(
            dict.fromkeys(item.feature for group in spec.model.groups for item in group.inputs if item.table)
        ),
        linear_init=linear_init(spec.model).value,
    )


def _contender(entry: Entry, base: Base, tasks: Sequence[str], sizes: _Sizes | None) -> Contender:
    model, *scopes = _ALIASES.get(entry.model, entry.model).split("@")
    unknown = [scope for scope in scopes if scope not in _SCOPES]
    if unknown:
        raise SpecError("--models", entry.model, f"after a model comes @domain, @task, or both; not @{unknown[0]}")
    if "domain" in scopes and base.domain_feature is None:
        raise SpecError("--models", entry.model, "the config has no domains; write model_config.domain_feature")
    if model == TREES and "task" in scopes:
        raise SpecError("--models", entry.model, "trees are one model per task as they are; leave @task out")
    if model == TREES:
        require_lightgbm()  # before the runs
        net = _net(derive(base, "base"), entry.name)
        net = replace(net, model=_TREES_MODEL, dense_parameters=0, embedding_parameters=0, multiply_adds=0)
        return Contender(name=entry.name, per_domain="domain" in scopes, is_trees=True, nets=(net,))
    parts = [(task,) for task in tasks] if "task" in scopes else [None]
    nets = tuple(_sized(entry.name, _ALIASES.get(model, model), base, part, sizes) for part in parts)
    return Contender(name=entry.name, changes=entry.changes, per_domain="domain" in scopes, nets=nets)


def _sized(name: str, model: str, base: Base, tasks: Sequence[str] | None, sizes: _Sizes | None) -> Net:
    def at(width: float) -> Net:
        return _net(derive(base, model, width=width, tasks=tasks), name)

    return at(1.0) if sizes is None or model == "base" else sizes.matched(at, name, like=(model, len(tasks or ())))


class _Sizes:
    """Finds the width that gives a net the base's dense parameters; nets of one kind need nearly the same.

    Args:
        budget: dense parameters of the base.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._widths: dict[tuple[str, int], float] = {}  # kind -> width that fitted the last of that kind

    def matched(self, at: Callable[[float], Net], name: str, *, like: tuple[str, int]) -> Net:
        """The net that is close to the budget, by bisection of its width."""
        low, high, width = 1 / 32, 32.0, self._widths.get(like, 1.0)
        tried: dict[float, Net] = {}
        while len(tried) < _STEPS:
            net = tried[width] = at(width)
            if self._off(net) <= _NEAR:
                break
            low, high = (width, high) if net.dense_parameters < self._budget else (low, width)
            width = (low * high) ** 0.5
        width = self._widths[like] = min(tried, key=lambda each: self._off(tried[each]))
        if self._off(tried[width]) > _CLOSE:
            closest = f"the closest is {tried[width].dense_parameters:,}"
            rule = f"cannot be given {self._budget:,} dense parameters; {closest}; use --match none"
            raise SpecError("--match params", name, rule)
        return tried[width]

    def _off(self, net: Net) -> float:
        return abs(net.dense_parameters / self._budget - 1)


def _net(text: str, name: str) -> Net:
    spec = config.lower(config.parse(text, f"derived config of {name}")).spec
    described = describe(spec.model)
    return Net(
        tasks=tuple(task.name for task in spec.model.tasks),
        text=text,
        model=described.model,
        dense_parameters=described.dense_parameters,
        embedding_parameters=described.embedding_parameters,
        multiply_adds=described.multiply_adds,
    )
