"""Numbers in the cells of a map can be read on every colour, by day and by night."""

from __future__ import annotations

import re

import pytest

from peprank.report.html import _text
from peprank.report.theme import themes


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2.1 defines it."""
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_every_colour_of_a_map(mode: str) -> None:
    theme = themes()[mode]
    (cells,) = theme["data"]["heatmap"]
    scales = [*cells["colorscale"], *theme["layout"]["coloraxis"]["colorscale"]]
    assert len(scales) == 8
    for _, colour in scales:
        assert contrast(cells["textfont"]["color"], colour) >= 4.5, colour


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_lines_stand_out_from_the_ground(mode: str) -> None:
    light, dark = re.findall(r"--ground: (#\w{6})", _text("page.css"))
    ground = {"light": light, "dark": dark}[mode]
    for colour in themes()[mode]["layout"]["colorway"]:
        assert contrast(colour, ground) >= 3.0, colour  # WCAG 2.1, of graphics
