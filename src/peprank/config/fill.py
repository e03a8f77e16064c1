"""Write a tree into a message: names are looked up, values typed and checked, and every place is remembered."""

from __future__ import annotations

import json
import math
import struct
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, cast

from google.protobuf import json_format, text_encoding, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from peprank.config.tree import Block, Dialect, Entry, Listing, Scalar, Source, Spot, Token, Value, printable
from peprank.errors import Problem

UNREAD: Final = "peprank.protos.Foreign"  # a message whose fields we do not know, so nothing in it is a mistake
_STRUCT: Final = "google.protobuf.Struct"

OLD_NAMES: Final = {
    "FeatureGroupConfig": {"wide_deep": "group_type"},
    "TrainConfig": {"fine_tune_ckpt_var_map": "fine_tune_ckpt_param_map"},
}
MOST_NAMES: Final = 12  # names that a message lists when none of them looks like the one in the file
LONGEST_VALUE: Final = 60  # characters of a value that a problem shows

_INTEGERS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


@dataclass
class Notes:
    """What reading a config leaves behind besides the message."""

    spots: dict[str, Spot] = field(default_factory=dict)  # field path -> where it stands
    problems: list[Problem] = field(default_factory=list)


class Filler:
    """Writes trees of one source into messages."""

    def __init__(self, source: Source, notes: Notes) -> None:
        self.source = source
        self.notes = notes

    def fill(self, message: Message, block: Block, path: str = "") -> None:
        """Write a block's fields into the message that stands at `path`."""
        if message.DESCRIPTOR.full_name == UNREAD:
            return
        if message.DESCRIPTOR.full_name == _STRUCT and self.source.dialect is Dialect.JSON:
            json_format.ParseDict(json.loads(self.source.text[block.start : block.end]), message)
            return
        for entry in block.fields:
            declared = self.lookup(message, entry, path, is_sure=block.is_closed)
            if declared is not None:
                self.put(message, declared, entry, path)

    def lookup(self, message: Message, entry: Entry, path: str, *, is_sure: bool) -> FieldDescriptor | None:
        """The field that a name means; None after noting that there is none.

        In a block that is never closed nothing is sure: its last fields may belong outside.
        """
        owner = cast(Descriptor, message.DESCRIPTOR)
        name = OLD_NAMES.get(owner.name, {}).get(entry.name, entry.name)
        if name != entry.name:
            self.note(f"is the old name; write {name}", join(path, entry.name), entry, is_warning=True)
        if declared := owner.fields_by_name.get(name):
            return declared
        if self.source.dialect is Dialect.JSON and (declared := owner.fields_by_camelcase_name.get(name)):
            return declared
        if is_sure:
            guess = resembling(name, owner.fields_by_name)
            self.note(f"no such field{suggest(guess, owner.fields_by_name)}", join(path, entry.name), entry)
            if guess:  # so that nobody also calls it missing
                self.notes.spots.setdefault(join(path, guess), self.source.spot(entry.start))
        return None

    def put(self, message: Message, declared: FieldDescriptor, entry: Entry, path: str) -> None:
        """Set, or append to, one field of the message that stands at `path`."""
        path = join(path, declared.name)
        value = entry.value
        if self.source.dialect is Dialect.JSON:
            if isinstance(value, Scalar) and value.text == "null":
                return
            if is_map(declared) and isinstance(value, Block):
                value = _map_entries(value)
        if not entry.has_colon and declared.message_type is None:
            self.note("a ':' is missing between name and value", path, entry)
        self._note_what_is_lost(message, declared, entry, path)
        self.notes.spots.setdefault(path, self.source.spot(entry.start))
        if not isinstance(value, Listing):
            self._put_one(message, declared, value, path, entry.start)
        elif declared.is_repeated:
            for item in value.values:
                self._put_one(message, declared, item, path, item.start)
        else:
            self.note("takes one value, not a list", path, entry)

    def scalar(self, declared: FieldDescriptor, node: Value) -> Any:
        """The value of a scalar field.

        Raises:
            ValueError: the text is not of the field's type, or out of its range; says what to write instead.
        """
        if not isinstance(node, Scalar):
            raise ValueError(f"must be {_kind(declared)}, not a {'block' if isinstance(node, Block) else 'list'}")
        is_text = declared.cpp_type == FieldDescriptor.CPPTYPE_STRING
        if self.source.dialect is Dialect.TEXT and is_text != node.is_quoted:
            remedy = f'must stand in quotes: "{node.text}"' if is_text else f"must be {_kind(declared)}, without quotes"
            raise ValueError(remedy)
        return _typed(declared, self._unquoted(node) if node.is_quoted else node.text)

    def note(self, message: str, path: str, node: Entry | Value, *, is_warning: bool = False) -> None:
        """Note what is wrong with a field that the source names."""
        spot = self.source.spot(node.start)
        value = node.value if isinstance(node, Entry) else node
        shown = _shown(value) if isinstance(value, Scalar) else None
        self.notes.problems.append(
            Problem(
                message=message,
                path=path,
                value=shown,
                file=spot.file,
                line=spot.line,
                column=spot.column,
                is_warning=is_warning,
            )
        )

    def _put_one(self, message: Message, declared: FieldDescriptor, node: Value, path: str, start: int) -> None:
        holder = getattr(message, declared.name)
        if declared.is_repeated:
            path = f"{path}[{len(holder)}]"
        self.notes.spots[path] = self.source.spot(start)
        if declared.message_type is None:
            self._put_scalar(message, declared, node, path)
        elif not isinstance(node, Block):
            self.note(f"must be a block: {declared.name} {{ ... }}", path, node)
        elif is_map(declared):
            pair = holder.GetEntryClass()()
            self.fill(pair, node, path)
            if declared.message_type.fields_by_name["value"].message_type:
                holder[pair.key].CopyFrom(pair.value)
            else:
                holder[pair.key] = pair.value
        else:
            inner = holder.add() if declared.is_repeated else holder
            inner.SetInParent()
            self.fill(inner, node, path)

    def _put_scalar(self, message: Message, declared: FieldDescriptor, node: Value, path: str) -> None:
        try:
            value = self.scalar(declared, node)
        except ValueError as error:
            self.note(str(error), path, node)
            return
        if declared.is_repeated:
            getattr(message, declared.name).append(value)
        else:
            setattr(message, declared.name, value)

    def _note_what_is_lost(self, message: Message, declared: FieldDescriptor, entry: Entry, path: str) -> None:
        if self.source.dialect is Dialect.SET or declared.is_repeated:
            return
        if declared.message_type is None and declared.has_presence and message.HasField(declared.name):
            line = self.notes.spots[path].line
            self.note(f"is set twice, first in line {line}; the last one counts", path, entry, is_warning=True)
            self.notes.spots[path] = self.source.spot(entry.start)
        oneof = declared.containing_oneof
        other = message.WhichOneof(oneof.name) if oneof else None
        if oneof and other not in (None, declared.name):
            rule = f"replaces {other}: only one {oneof.name} can be set, and the last one counts"
            self.note(rule, path, entry, is_warning=True)

    def _unquoted(self, node: Scalar) -> str:
        if self.source.dialect is Dialect.JSON:
            return str(json.loads(node.text))
        parts = [token.text[1:-1] for token in node.tokens]
        if not any("\\" in part for part in parts):
            return "".join(parts)
        with warnings.catch_warnings():  # Python frowns at "\." while the format keeps it as it is
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return b"".join(text_encoding.CUnescape(part) for part in parts).decode()
            except ValueError:
                raise ValueError("holds an escape that means nothing; write \\\\ for a backslash") from None


def join(path: str, name: str) -> str:
    """`path.name`, or the name alone at the root."""
    return f"{path}.{name}" if path else name


def is_map(declared: FieldDescriptor) -> bool:
    """Whether a field is a map, which text format spells as repeated pairs of key and value."""
    return declared.message_type is not None and bool(declared.message_type.GetOptions().map_entry)


def resembling(name: str, known: Iterable[str]) -> str | None:
    """The known name that is closest to a misspelt one; letter case does not matter."""
    by_lower = {other.lower(): other for other in known}
    close = get_close_matches(name.lower(), list(by_lower), n=1)
    return by_lower[close[0]] if close else None


def suggest(guess: str | None, known: Iterable[str]) -> str:
    """`; did you mean x?`, else the names to choose from unless they are many."""
    if guess:
        return f"; did you mean {guess}?"
    names = list(known)
    return f"; there is {', '.join(names)}" if 0 < len(names) <= MOST_NAMES else ""


def _map_entries(block: Block) -> Listing:
    pairs = (
        Block(
            (Entry("key", _quoted(entry), entry.start), Entry("value", entry.value, entry.start)),
            entry.start,
            entry.start,
        )
        for entry in block.fields
    )
    return Listing(tuple(pairs), block.start)


def _quoted(entry: Entry) -> Scalar:
    return Scalar((Token("string", json.dumps(entry.name), entry.start),))


def _shown(node: Scalar) -> str:
    text = printable(node.text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _kind(declared: FieldDescriptor) -> str:
    if declared.enum_type is not None:
        return _choice([value.name for value in declared.enum_type.values])
    match declared.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return "a string in quotes"
        case FieldDescriptor.CPPTYPE_BOOL:
            return "true or false"
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return "a number"
        case _:
            least, most = _INTEGERS[declared.cpp_type]
            return f"a whole number from {least} to {most}"


def _choice(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if len(names) <= MOST_NAMES else f"one of {', '.join(names[:3])}, ..."


def _typed(declared: FieldDescriptor, text: str) -> Any:
    try:
        match declared.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                return text.encode().decode()
            case FieldDescriptor.CPPTYPE_BOOL:
                return text_format.ParseBool(text)
            case FieldDescriptor.CPPTYPE_ENUM:
                return text_format.ParseEnum(declared, text)
            case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
                number = text_format.ParseFloat(text)
            case kind:
                is_long = kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
                is_signed = kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
                return text_format.ParseInteger(text, is_signed=is_signed, is_long=is_long)
    except UnicodeEncodeError:
        raise ValueError("holds half a character; write whole ones, in UTF-8") from None
    except ValueError:
        guess = None
        if declared.enum_type is not None:
            guess = resembling(text, declared.enum_type.values_by_name)
        raise ValueError(f"must be {_kind(declared)}" + (f"; did you mean {guess}?" if guess else "")) from None
    return _in_range(declared, number, text)


def _in_range(declared: FieldDescriptor, number: float, text: str) -> float:
    """The number as the field keeps it: a float field rounds to 32 bits."""
    is_single = declared.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
    try:
        kept: float = struct.unpack("f", struct.pack("f", number))[0] if is_single else number
    except OverflowError:
        kept = math.inf
    if math.isinf(kept) and "inf" not in text.lower():
        raise ValueError(f"is too large; the largest is {3.4028235e38 if is_single else 1.7976931348623157e308}")
    return kept
