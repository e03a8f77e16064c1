"""What a client sent, short enough to be repeated in an error."""

from __future__ import annotations

_MOST_LETTERS = 40


def shown(value: object) -> str:
    """Return a parsed JSON value in at most some 100 letters, all of them printable.

    Example:
        >>> shown("a" * 1000)
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'"
        >>> shown(None), shown(True), shown(1.5), shown([[1, 2], 3]), shown({"a": 1})
        ('null', 'true', '1.5', 'a list', 'an object')
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= _MOST_LETTERS else f"{value[:_MOST_LETTERS]}…")
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return str(value)[:_MOST_LETTERS]
