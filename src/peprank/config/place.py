"""A cursor over the config message: it knows its path in the file and notes what is wrong there."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar, cast

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from peprank.config.fill import resembling
from peprank.config.read import ConfigFile
from peprank.errors import Problem, SpecError

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_VALUE = 60  # characters of a value that a problem shows


@dataclass(frozen=True, slots=True)
class Place:
    """One field of a config file. `at["mlp"]` and `at[0]` step into a message and a list."""

    file: ConfigFile
    node: object  # message, list or scalar that stands here
    path: str = ""
    declared: FieldDescriptor | None = None
    is_set: bool = True  # False: the file does not name this field, `node` is its default
    found: list[Problem] = field(default_factory=list)  # shared by all places of one file

    def __getitem__(self, step: str | int) -> Place:
        if isinstance(step, int):
            assert isinstance(self.node, Iterable)
            node = list(self.node)[step]
            return Place(self.file, node, f"{self.path}[{step}]", self.declared, self.is_set, self.found)
        assert isinstance(self.node, Message)
        inner = cast(FieldDescriptor, self.node.DESCRIPTOR.fields_by_name[step])
        is_set = bool(getattr(self.node, step)) if inner.is_repeated else self.node.HasField(step)
        path = f"{self.path}.{step}" if self.path else step
        return Place(self.file, getattr(self.node, step), path, inner, is_set, self.found)

    def has(self, step: str) -> bool:
        """Whether the message here has such a field, set or not."""
        return isinstance(self.node, Message) and step in self.node.DESCRIPTOR.fields_by_name

    def is_in_file(self) -> bool:
        """Whether the file itself names this field; what --set brings in does not count."""
        spot = self.file.spots.get(self.path)
        return spot is not None and spot.line is not None

    @property
    def default(self) -> object:
        """What an unset field stands for."""
        return None if self.declared is None else self.declared.default_value

    @property
    def is_unreadable(self) -> bool:
        """Whether the file names this field, but misspelt or with a value of the wrong type, as has been noted."""
        return not self.is_set and self.file.names(self.path) and bool(self.file.errors)

    def error(self, message: str) -> None:
        """Note a mistake: what is wrong; what to write instead. A field that could not be read has one already.

        So has a number that is not finite: that it lies outside a range too says nothing more.
        """
        if not self.is_unreadable and not self._is_faulty_number:
            self._note(message, is_warning=False)

    def error_without(self, oneof: str, message: str) -> None:
        """Note that no member of a oneof is set; one that is misspelt has been noted already."""
        assert isinstance(self.node, Message)
        members = cast(Descriptor, self.node.DESCRIPTOR).oneofs_by_name[oneof].fields
        if not any(self[member.name].is_unreadable for member in members):
            self.error(message)

    def warn(self, message: str) -> None:
        """Note an oddity that does not stop the run."""
        self._note(message, is_warning=True)

    @property
    def _is_faulty_number(self) -> bool:
        is_number = isinstance(self.node, float) and not math.isfinite(self.node)
        return is_number and any(known.path == self.path for known in self.found)

    def _note(self, message: str, *, is_warning: bool) -> None:
        problem = self.file.problem(self.path, message, value=self._value(), is_warning=is_warning)
        if problem not in self.found:
            self.found.append(problem)

    def build(self, kind: Callable[P, T], *args: P.args, **fields: P.kwargs) -> T | None:
        """Make a part of the plan; a rule that it breaks is noted at the field that the rule names, or here."""
        try:
            return kind(*args, **fields)
        except SpecError as broken:
            name = broken.place.rpartition(".")[2]
            (self[name] if self.has(name) else self).error(broken.rule)
            return None

    def _value(self) -> str | None:
        """The value as it would stand in the file; None for messages and for what the file does not name."""
        if self.declared is None or self.declared.message_type is not None or not self.is_set:
            return None
        if isinstance(self.node, str) or not isinstance(self.node, Iterable):
            text = _written(self.declared, self.node)
        else:
            text = f"[{', '.join(_written(self.declared, item) for item in self.node)}]"
        return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _written(declared: FieldDescriptor, scalar: object) -> str:
    out = io.StringIO()
    text_format.PrintFieldValue(declared, scalar, out, as_utf8=True)
    return out.getvalue()


def meant(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` when `name` looks like a known one, else an empty string."""
    guess = resembling(name, known)
    return f" (did you mean '{guess}'?)" if guess else ""


def listing(names: Iterable[str], at_most: int = 12) -> str:
    """Names for an error message: `a, b, c, ...`."""
    shown = list(names)
    return ", ".join(shown[:at_most]) + (", ..." if len(shown) > at_most else "") if shown else "none"
