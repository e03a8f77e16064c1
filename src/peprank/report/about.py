"""What was trained, by which config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from peprank.models import Description
from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Code, Column, Fold, Section, Text, once_or_folded, table_of

_LONGEST = 60  # characters of a setting's value in a table


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config as its user wrote it, and what was changed from the command line."""

    text: str
    changes: tuple[str, ...]
    settings: Mapping[str, str]  # path of each field that the two set -> its value


def model_section(model: Description) -> Section:
    """Parameters, arithmetic and equations."""
    parts = table_of(
        "Dense parts",
        model.parts,
        [
            (Column("Part", is_text=True), lambda part: blocks.words(part.name)),
            (Column("Parameters"), lambda part: blocks.count(part.parameters)),
            (Column("Multiply-adds a row"), lambda part: blocks.count(part.multiply_adds)),
        ],
    )
    text = (
        f"{model.model}: {model.dense_parameters:,} dense and {model.embedding_parameters:,} embedding parameters, "
        f"{model.multiply_adds:,} multiply-adds a row."
    )
    equations = Fold("Equations in force", (Code("\n".join(model.equations)),))
    return Section("model", "Model", (Text(text), parts, equations))


def models_section(models: Mapping[str, Description]) -> Section:
    """The size of each run's network, then its parts."""
    sizes = table_of(
        "The networks",
        list(models.items()),
        [
            (Column("Run", is_text=True), lambda item: blocks.words(item[0])),
            (Column("Dense", "Parameters outside the tables"), lambda item: blocks.count(item[1].dense_parameters)),
            (
                Column("Embedding", "Parameters in the tables"),
                lambda item: blocks.count(item[1].embedding_parameters),
            ),
            (Column("Multiply-adds", "Per row"), lambda item: blocks.count(item[1].multiply_adds)),
            (Column("Network", is_text=True), lambda item: blocks.words(item[1].model)),
        ],
    )
    each = {name: model_section(model).blocks for name, model in models.items()}
    return Section("model", "Models", (sizes, *once_or_folded(each)))


def config_section(config: Config, origin: tuple[Block, ...]) -> Section:
    """The config's text, folded, and where it was trained."""
    return Section("config", "Config and environment", (*_config(config), *origin))


def configs_section(configs: Mapping[str, Config], origins: Mapping[str, tuple[Block, ...]]) -> Section:
    """What the configs set differently, then each config's text and where it was trained."""
    each = {name: (*_config(config), *origins[name]) for name, config in configs.items()}
    return Section("config", "Configs and environment", (*_settings(configs), *once_or_folded(each)))


def _config(config: Config) -> Iterator[Block]:
    if config.changes:
        yield Text("Changed from the command line:")
        yield Code("\n".join(config.changes))
    lines = config.text.count("\n")
    yield Fold(f"The config, {lines:,} lines", (Code(config.text),))


def _settings(configs: Mapping[str, Config]) -> Iterator[Block]:
    """The settings in which some config differs from the first; model_dir, in which all do, says nothing."""
    first = next(iter(configs))
    known = dict.fromkeys(path for config in configs.values() for path in config.settings if path != "model_dir")
    differing = [path for path in known if len({config.settings.get(path) for config in configs.values()}) > 1]
    if not differing:
        yield Text("All runs have the same settings.")
        return
    columns: list[tuple[Column, Callable[[str], Cell]]] = [
        (Column("Setting", is_text=True), lambda path: blocks.words(path.rpartition(".")[2])),
        *((Column(name, is_text=True), _value(config)) for name, config in configs.items()),
        (Column("Where", is_text=True), lambda path: blocks.words(path.rpartition(".")[0])),
    ]
    yield Text("Settings of the config with the changes from the command line; those that agree are left out.")
    yield table_of(f"Settings that differ from those of {first}", differing, columns)


def _value(config: Config) -> Callable[[str], Cell]:
    return lambda path: blocks.words(_cut(config.settings.get(path, "not set")))


def _cut(text: str) -> str:
    """A value that fits a cell; the whole one is in the config below."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
