"""Parse a normalizer's formula in x, such as `sign(x) * log1p(abs(x))`, into a tree of known functions.

Grammar and priorities are muParser's, which the peer's feature generator uses: `?:`, `||`, `&&`, comparisons, `+ -`,
`* / %`, sign and `!`, `^` (right to left, so -x^2 is -(x^2)). Nothing is ever evaluated as Python code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from peprank.errors import SpecError

_ONE, _TWO, _MANY = (1, 1), (2, 2), (1, 64)

# name -> least and largest number of arguments
FUNCTIONS = {
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"), _ONE),
    **dict.fromkeys(("asinh", "acosh", "atanh", "log", "ln", "log2", "log10", "log1p", "exp", "sqrt"), _ONE),
    **dict.fromkeys(("sign", "abs", "rint", "floor", "ceil", "round", "trunc", "sigmoid"), _ONE),
    **dict.fromkeys(("mod", "pow", "roundp"), _TWO),
    **dict.fromkeys(("min", "max", "sum", "avg"), _MANY),
}
CONSTANTS = {"_pi": 3.141592653589793, "_e": 2.718281828459045}
MAX_TOKENS = 256  # bounds the parser's recursion

_PRIORITY = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
    "^": 7,
}
_SIGN_PRIORITY = 6
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<symbol><=|>=|==|!=|&&|\|\||[-+*/%^<>!?:(),]))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Variable:
    """x, the column's value."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of FUNCTIONS, a binary operator, `negate`, `!` or `?:`, with its arguments."""

    function: str
    arguments: tuple[Formula, ...]


Formula: TypeAlias = Number | Variable | Call


def parse(text: str) -> Formula:
    """The tree of a formula.

    Raises:
        SpecError: a symbol, name, number of arguments or end that the grammar does not know.

    Example:
        >>> parse("-x^2")
        Call(function='negate', arguments=(Call(function='^', arguments=(Variable(), Number(value=2.0))),))
    """
    parser = _Parser(text)
    tree = parser.expression()
    parser.expect("")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._next = 0

    def _split(self, text: str) -> list[tuple[str, int]]:
        tokens, end = [], 0
        while text[end:].strip():
            match = _TOKEN.match(text, end)
            if match is None:
                place = end + len(text[end:]) - len(text[end:].lstrip())
                raise self._error(f"does not know {text[place]!r} at character {place + 1}")
            end = match.end()
            tokens.append((match.group().strip(), match.start(match.lastgroup or 0)))
        if len(tokens) > MAX_TOKENS:
            raise self._error(f"has {len(tokens)} symbols; write it with at most {MAX_TOKENS}")
        return [*tokens, ("", len(text))]

    def _error(self, rule: str) -> SpecError:
        return SpecError("normalizer expr", self._text, rule)

    @property
    def _token(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> str:
        token = self._token
        self._next += bool(token)
        return token

    def _surprise(self, wanted: str) -> SpecError:
        found = repr(self._token) if self._token else "the end"
        return self._error(f"has {found} at character {self._tokens[self._next][1] + 1}, where {wanted} is expected")

    def expect(self, token: str) -> None:
        if self._token != token:
            raise self._surprise(repr(token) if token else "an operator or the end")
        self._take()

    def expression(self, priority: int = 0) -> Formula:
        tree = self._operand()
        while (found := _PRIORITY.get(self._token, -1)) >= priority:
            operator = self._take()
            right = self.expression(found if operator == "^" else found + 1)
            tree = Call(operator, (tree, right))
        if priority == 0 and self._token == "?":
            self._take()
            yes = self.expression()
            self.expect(":")
            tree = Call("?:", (tree, yes, self.expression()))
        return tree

    def _operand(self) -> Formula:
        token = self._token
        if token in ("-", "+", "!"):
            self._take()
            operand = self.expression(_SIGN_PRIORITY)
            return operand if token == "+" else Call("negate" if token == "-" else "!", (operand,))
        if token == "(":
            self._take()
            tree = self.expression()
            self.expect(")")
            return tree
        if token[:1].isdigit() or token[:1] == ".":
            return Number(float(self._take()))
        if token[:1].isalpha() or token[:1] == "_":
            return self._named(self._take())
        raise self._surprise("a value")

    def _named(self, name: str) -> Formula:
        if self._token == "(":
            return self._call(name)
        if name == "x":
            return Variable()
        if name in CONSTANTS:
            return Number(CONSTANTS[name])
        raise self._error(f"does not know {name!r}; the column's value is x, the constants are {sorted(CONSTANTS)}")

    def _call(self, name: str) -> Formula:
        if name not in FUNCTIONS:
            raise self._error(f"does not know the function {name!r}; known are {sorted(FUNCTIONS)}")
        self.expect("(")
        arguments = [self.expression()]
        while self._token == ",":
            self._take()
            arguments.append(self.expression())
        self.expect(")")
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise self._error(f"gives {name} {len(arguments)} arguments; it takes {least}")
        return Call(name, tuple(arguments))
