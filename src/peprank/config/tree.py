"""Text format and JSON as a tree that knows where each part stands; names and types are checked later, by `fill`."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final, NamedTuple, NoReturn

DEEPEST: Final = 64  # blocks within blocks; the schema needs 8, and the parser recurses
MOST_FAULTS: Final = 20  # then the rest is hardly a config

_TOKEN: Final = re.compile(
    r"""(?P<blank>  (?: \s | \#[^\n]* )+ )
      | (?P<name>   [A-Za-z_][0-9A-Za-z_+-]* )
      | (?P<number> (?: [0-9+-] | \.[0-9] )[0-9A-Za-z_.+-]* )
      | (?P<string> "(?:[^"\n\\]|\\.)*" | '(?:[^'\n\\]|\\.)*' )
      | (?P<mark>   [{}<>\[\]:,;] )
      | (?P<odd>    ["'][^\n]* | . )""",
    re.VERBOSE,
)
_CLOSER: Final = {"{": "}", "<": ">", "[": "]"}


class Dialect(Enum):
    """How values are written; names and structure are the same everywhere."""

    TEXT = auto()  # protobuf text format
    JSON = auto()  # quoted names, enums and long integers in quotes, maps as objects, null
    SET = auto()  # the right side of --set: text format, in which quotes may be left out


class Spot(NamedTuple):
    """Where something stands, counted from 1; no line for what the command line says."""

    file: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Source:
    """A text and the name it goes by."""

    name: str
    text: str
    dialect: Dialect = Dialect.TEXT

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def spot(self, start: int) -> Spot:
        """Line and column of a character; what --set says has none."""
        if self.dialect is Dialect.SET:
            return Spot(self.name)
        line = bisect_right(self._line_starts, start)
        return Spot(self.name, line, start - self._line_starts[line - 1] + 1)


class Token(NamedTuple):
    """A word of the text; `kind` is a group of the pattern above, or `end`."""

    kind: str
    text: str
    start: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.text[:20]}'"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word, or strings side by side that make one."""

    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)

    @property
    def is_quoted(self) -> bool:
        return self.tokens[0].kind == "string"


@dataclass(frozen=True, slots=True)
class Listing:
    """Values between brackets."""

    values: tuple[Value, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Block:
    """Fields between braces; `end` is behind the closing one."""

    fields: tuple[Entry, ...]
    start: int
    end: int
    is_closed: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A name and its value."""

    name: str
    value: Value
    start: int
    has_colon: bool = True


Value = Scalar | Listing | Block


class Fault(NamedTuple):
    """What breaks the grammar, and where."""

    start: int
    message: str


class _Unexpected(Exception):  # noqa: N818 - control flow inside this file
    def __init__(self, token: Token, message: str) -> None:
        self.fault = Fault(token.start, message)


class _Stop(Exception):  # noqa: N818 - the rest of the text is not worth reading
    pass


def parse_block(source: Source) -> tuple[Block, list[Fault]]:
    """The fields of a whole text, and what breaks its grammar; what follows a fault is read all the same."""
    if source.dialect is Dialect.JSON and (fault := _json_fault(source.text)):
        return Block((), 0, 0), [fault]
    parser = _Parser(source)
    try:
        if source.dialect is Dialect.JSON:
            return parser.block(parser.next().start, "}", 0), parser.faults
        return parser.block(0, "", 0), parser.faults
    except _Stop:
        return Block((), 0, 0), parser.faults


def parse_value(source: Source) -> tuple[Value | None, list[Fault]]:
    """One value that makes up a whole text; None when it breaks the grammar at its start."""
    parser = _Parser(source)
    try:
        value = parser.value(0)
        if parser.peek.kind != "end":
            parser.fault(Fault(parser.peek.start, f"nothing may follow the value, yet there is {parser.peek}"))
        return value, parser.faults
    except _Unexpected as unexpected:
        return None, [*parser.faults, unexpected.fault]
    except _Stop:
        return None, parser.faults


def printable(text: str) -> str:
    """`text` with escapes in place of half characters, which JSON and command lines may hold and no terminal shows."""
    return text.encode("utf-8", "backslashreplace").decode()


def _json_fault(text: str) -> Fault | None:
    try:
        root = json.loads(text)
    except json.JSONDecodeError as error:
        return Fault(error.pos, f"is not JSON: {error.msg}")
    except RecursionError:
        return Fault(0, f"nests more than {DEEPEST} blocks; the rest is not read")
    return None if isinstance(root, dict) else Fault(0, "must be a JSON object: { ... }")


def _tokens(text: str) -> list[Token]:
    found = [
        Token(match.lastgroup or "", match.group(), match.start())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "blank"
    ]
    return [*found, Token("end", "", len(text))]


class _Parser:
    """Recursive descent: block = field*, field = name [:] value [, or ;], value = scalar | [value, ...] | {block}."""

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.is_json = source.dialect is Dialect.JSON
        self.tokens = _tokens(source.text)
        self.at = 0
        self.faults: list[Fault] = []

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.peek
        self.at += token.kind != "end"
        return token

    def take(self, *marks: str) -> bool:
        if self.peek.text in marks:
            self.next()
            return True
        return False

    def fault(self, fault: Fault) -> None:
        self.faults.append(fault)
        if len(self.faults) >= MOST_FAULTS:
            self.stop("too many mistakes; the rest is not read. Is this a config?")

    def stop(self, message: str) -> NoReturn:
        self.faults.append(Fault(self.peek.start, message))
        raise _Stop

    def block(self, start: int, closer: str, depth: int) -> Block:
        fields: list[Entry] = []
        while self.peek.text != closer:
            if self.peek.kind == "end":
                self.fault(Fault(start, f"this block is never closed; a '{closer}' is missing in it"))
                return Block(tuple(fields), start, self.peek.start, is_closed=False)
            try:
                fields.append(self.field(depth))
            except _Unexpected as unexpected:
                self.fault(unexpected.fault)
                self.skip_line(unexpected.fault.start)
        end = self.next()
        return Block(tuple(fields), start, end.start + len(end.text))

    def field(self, depth: int) -> Entry:
        start = self.peek.start
        name = self.name()
        has_colon = self.take(":")
        if not has_colon and self.peek.kind not in ("string", "number", "name") and self.peek.text not in _CLOSER:
            raise _Unexpected(self.peek, f"expected ':' and a value after '{name}', found {self.peek}")
        if self.peek.kind == "name" and self.tokens[self.at + 1].text in (":", "{", "<"):
            raise _Unexpected(Token("name", name, start), f"'{name}' has no value")
        value = self.value(depth)
        self.take(",", ";")
        return Entry(name, value, start, has_colon)

    def name(self) -> str:
        token = self.peek
        if self.is_json:
            return printable(json.loads(self.next().text))
        if token.text in _CLOSER.values():
            self.next()  # else it would be found again for ever
            raise _Unexpected(token, f"{token} closes nothing; remove it, or open a block before")
        if token.kind != "name":
            raise _Unexpected(token, f"expected the name of a field, found {token}")
        return self.next().text

    def value(self, depth: int) -> Value:
        token = self.peek
        if depth >= DEEPEST:
            self.stop(f"nests more than {DEEPEST} blocks; the rest is not read")
        if token.text in ("{", "<"):
            return self.block(self.next().start, _CLOSER[token.text], depth + 1)
        if token.text == "[":
            return self.listing(self.next().start, depth + 1)
        if token.kind in ("name", "number"):
            return Scalar((self.next(),))
        if token.kind == "string":
            return self.string()
        if token.text[:1] in ("'", '"'):
            raise _Unexpected(token, "the string has no closing quote on its line")
        raise _Unexpected(token, f"expected a value, found {token}")

    def string(self) -> Scalar:
        tokens = [self.next()]
        while self.peek.kind == "string":
            tokens.append(self.next())
        return Scalar(tuple(tokens))

    def listing(self, start: int, depth: int) -> Listing:
        values: list[Value] = []
        try:
            while not (values == [] and self.take("]")):
                values.append(self.value(depth))
                if self.take("]"):
                    break
                if not self.take(","):
                    raise _Unexpected(self.peek, f"expected ',' or ']' in the list, found {self.peek}")
        except _Unexpected as unexpected:
            self.fault(unexpected.fault)
            while self.peek.kind != "end" and self.peek.text not in ("{", "}", "<", ">", ":", "]"):
                self.next()
            self.take("]")
        return Listing(tuple(values), start)

    def skip_line(self, start: int) -> None:
        """Go on behind the line of `start`, and behind every block that opens on it."""
        line_end = self.text.find("\n", start)
        depth = 0
        while self.peek.kind != "end" and (depth or line_end < 0 or self.peek.start < line_end):
            if self.peek.text in _CLOSER:
                depth += 1
            elif depth and self.peek.text in _CLOSER.values():
                depth -= 1
            elif self.peek.text in ("}", ">"):
                return
            self.next()
