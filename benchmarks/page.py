"""Figures that a benchmark writes into a page of the docs, between two comments that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BLOCK = re.compile(r"(<!-- figures: (?P<name>\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def filled(page: str, figures: Mapping[str, str]) -> str:
    """The page with `figures[name]` between `<!-- figures: name -->` and `<!-- end of figures -->`.

    Raises:
        ValueError: the page has not exactly one place for each name.
    """
    places = [match["name"] for match in _BLOCK.finditer(page)]
    if sorted(places) != sorted(figures):
        raise ValueError(f"the page has places for {sorted(places)}: must be {sorted(figures)}, once each")
    return _BLOCK.sub(lambda match: f"{match[1]}{figures[match['name']].strip()}\n{match[3]}", page)
