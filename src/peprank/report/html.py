"""A page as one HTML file that loads nothing: plotly's script, our own, the style sheet and all numbers are in it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from peprank.report.blocks import Page
from peprank.report.theme import themes

_SIZE = "@page-size@"  # stands where the size will, which is known when the page is whole


def render(page: Page) -> str:
    """The page's HTML. Every name and number is escaped; scripts run only if they are the ones written here.

    The policy in the page's head forbids all loading, so what a page shows cannot be sent anywhere either.
    """
    scripts = [plotly_script(), _text("page.js")]
    html = (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            themes=themes(),
            style=Markup(_text("page.css")),
            scripts=[Markup(script) for script in scripts],
            policy=_policy(scripts),
            size=_SIZE,
        )
    )
    return html.replace(_SIZE, f"{len(html.encode()) / 1e6:.1f} MB")


@cache
def plotly_script() -> str:
    """plotly.js as the Python package brings it, fit to stand between script tags."""
    script: str = get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"</(script)", r"<\\/\1", script, flags=re.IGNORECASE)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("peprank.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(scripts: list[str]) -> str:
    """What the page may do: run these scripts, style itself, draw pictures it has made."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(name: str) -> str:
    return (files("peprank.report") / "templates" / name).read_text("utf-8")
