"""Read a config file: text or JSON, and --set on top, into one message that still knows where each field stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peprank.config.fill import Filler, Notes
from peprank.config.overrides import override
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.tree import Dialect, Source, Spot, parse_block
from peprank.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config as it was written: its names and types are checked, its meaning is not."""

    name: str
    text: str
    overrides: tuple[str, ...]  # as --set takes them, in order
    message: pb.EasyRecConfig
    errors: tuple[Problem, ...] = ()  # unknown names and values of the wrong type; `lower` adds what they mean
    warnings: tuple[Problem, ...] = ()
    spots: Mapping[str, Spot] = field(default_factory=dict, repr=False)  # field path -> where it stands

    def names(self, path: str) -> bool:
        """Whether the file, or --set, says something about a field, be it wrong."""
        return path in self.spots

    def problem(self, path: str, message: str, *, value: str | None = None, is_warning: bool = False) -> Problem:
        """A problem with the field at `path`, placed where the field or the nearest one around it stands.

        Args:
            path: as in `feature_configs[3].id_feature.num_buckets`.
            message: what is wrong; what to write instead.
            value: as it stands in the file.
        """
        around = path
        while around and around not in self.spots:
            around = around[: around.rfind("[")] if around.endswith("]") else around.rpartition(".")[0]
        spot = self.spots.get(around, Spot(self.name))
        return Problem(
            message=message,
            path=path,
            value=value,
            file=spot.file,
            line=spot.line,
            column=spot.column,
            is_warning=is_warning,
        )


def read(path: str | Path, overrides: Iterable[str] = ()) -> ConfigFile:
    """Read a config file: JSON when its name ends in .json, else protobuf text format.

    Args:
        overrides: as --set takes them: `train_config.num_epochs=2`.

    Raises:
        ConfigError: the file cannot be read, or breaks the grammar. Mistakes in names and values are kept in
            `ConfigFile.errors`, so that `lower` can list them together with those in meaning.
    """
    name = str(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError([Problem(message=f"cannot be read: {error.strerror}", file=name)]) from error
    return parse(_decoded(raw, name), name, overrides, is_json=name.endswith(".json"))


def parse(text: str, name: str, overrides: Iterable[str] = (), *, is_json: bool = False) -> ConfigFile:
    """Read a config from its text; `name` stands for the file in messages.

    Raises:
        ConfigError: the text breaks the grammar.

    Example:
        >>> parse('model_dir: "runs/1"', "pipeline.config", ["model_dir=runs/2"]).message.model_dir
        'runs/2'
    """
    overrides = tuple(overrides)
    source = Source(name, text, Dialect.JSON if is_json else Dialect.TEXT)
    block, faults = parse_block(source)
    message, notes = pb.EasyRecConfig(), Notes()
    Filler(source, notes).fill(message, block)
    if faults:
        broken = [_grammar(source.spot(fault.start), fault.message) for fault in faults]
        raise ConfigError(_in_file_order([*broken, *(found for found in notes.problems if not found.is_warning)]))
    for change in overrides:
        override(message, change, notes)
    found = _in_file_order(notes.problems)
    return ConfigFile(
        name=name,
        text=text,
        overrides=overrides,
        message=message,
        errors=tuple(problem for problem in found if not problem.is_warning),
        warnings=tuple(problem for problem in found if problem.is_warning),
        spots=notes.spots,
    )


def _decoded(raw: bytes, name: str) -> str:
    if b"\0" in raw:
        raise ConfigError([Problem(message="is a binary file; a config is text", file=name)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        rule = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigError([Problem(message=rule, file=name, line=line, column=column)]) from error


def _grammar(spot: Spot, message: str) -> Problem:
    return Problem(message=message, file=spot.file, line=spot.line, column=spot.column)


def _in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """From top to bottom; what --set says comes last."""
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0, problem.column or 0))
