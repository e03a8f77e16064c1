"""The page for people at `/`: one HTML file that asks this server for JSON and nothing else for anything."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_SCRIPTS = ("dom.js", "status.js", "tensors.js", "form.js", "result.js", "start.js")  # in the order in which they run


async def front_page(_request: Request) -> Response:
    """GET /."""
    html, headers = _page()
    return HTMLResponse(html, headers=headers)


@cache
def _page() -> tuple[str, dict[str, str]]:
    style, script = _text("page.css"), "\n".join(map(_text, _SCRIPTS))
    html = _text("page.html").replace("@style@", style).replace("@script@", script)
    return html, {
        "content-security-policy": _policy(style, script),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-cache",
    }


def _policy(style: str, script: str) -> str:
    """What the page may do: run its own script, have its own style, ask its own server.

    Trusted types forbid the script to make HTML of text, so that a name or a value can never become a part of the page.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_hash(script)}'",
            f"style-src 'sha256-{_hash(style)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(name: str) -> str:
    return (files("peprank.serve") / "static" / name).read_text("utf-8")
