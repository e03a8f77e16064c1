"""A page taken apart again."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Parsed(HTMLParser):
    """Sections, tables, scripts and addresses of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.addresses: list[str] = []
        self.paragraphs: list[str] = []
        self.text = ""
        self._stack: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what begins."""
        of = dict(attrs)
        self._stack.append(tag)
        self.addresses += [of[name] or "" for name in ("src", "href") if name in of]
        match tag:
            case "section":
                self.sections.append(of["id"] or "")
            case "table":
                self.tables.append([])
            case "caption":
                self.captions.append("")
            case "tr":
                self.tables[-1].append([])
            case "td" | "th":
                self.tables[-1][-1].append("")
            case "p":
                self.paragraphs.append("")
            case "script":
                self.scripts.append((of.get("type"), ""))

    def handle_endtag(self, tag: str) -> None:
        """Forget what ends, and what has no end of its own within it."""
        while self._stack and self._stack.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Keep text where it belongs."""
        if "script" in self._stack:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
            return
        self.text += data
        if "td" in self._stack or "th" in self._stack:
            self.tables[-1][-1][-1] += data.strip()
        if "caption" in self._stack:
            self.captions[-1] += data
        if "p" in self._stack:
            self.paragraphs[-1] += data

    def table(self, caption: str) -> list[list[str]]:
        """Rows of a table, its headings first."""
        return self.tables[self.captions.index(caption)]

    @property
    def plots(self) -> list[dict[str, Any]]:
        """Data and layout of each plot, in order."""
        data = [json.loads(text) for kind, text in self.scripts if kind == "application/json"]
        return [each for each in data if "data" in each]
