"""What an operator may choose: where a server listens, what it takes on, and when it gives up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from peprank.errors import SpecError
from peprank.infer import Precision
from peprank.serve.rows import MAX_ROWS

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one server; each is an option of `peprank serve`.

    Raises:
        SpecError: a number is out of its range; the message names the option.
    """

    path: Path  # a bundle, or a repository of models/<name>/<version>/
    host: str = "127.0.0.1"
    port: int = 8080  # 0: any that is free
    admin_port: int | None = None  # where models are loaded and unloaded, on 127.0.0.1 only; None: nowhere
    name: str | None = None  # of a bundle's model; None: its folder's
    keep_versions: int = 1  # of each model that answer, by number; the highest answers where none is named
    precision: Precision | None = None  # of the arithmetic; None: the fastest that the golden rows bear
    threads: int | None = None  # of the arithmetic; None: one processor fewer than torch would take
    max_body_bytes: int = 16 * _MIB
    max_bodies_bytes: int | None = None  # of all requests under way; None: one and a half max_body_bytes
    max_rows: int = MAX_ROWS  # of one request
    max_requests: int = 512  # POSTs under way
    header_timeout_s: float = 5.0  # from a connection's or a request's first byte to the end of its headers
    body_timeout_s: float = 10.0  # from the headers to the body's last byte
    grace_s: float = 10.0  # what requests under way get at the end
    deadline_ms: float = 2000.0  # a request that has waited so long is not scored
    max_queue_rows: int = 16_384  # that wait for one model
    max_batch_rows: int = 0  # requests are joined up to here; 0: each is scored by itself
    max_delay_ms: float = 0.0  # that a request waits for others to join it
    poll_s: float = 10.0  # between looks for new versions; 0: only on SIGHUP
    items: Path | None = None  # Parquet of item features that requests need not send
    item_key: str | None = None  # its column of ids
    given: tuple[str, ...] = ()  # item columns, or patterns of them, that requests give all the same
    default_domain: str | None = None  # of rows with an unknown domain; None: they are refused
    access_log: bool = False  # one line of JSON per request
    page: bool = True  # for people, at /; with it the golden rows and the gates, which it shows

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SpecError(_option(name), value, f"must be {_said(low)} to {_said(high)}")
        if self.items is not None and self.item_key is None:
            raise SpecError("--items", str(self.items), "goes with --item-key, its column of ids")
        if self.item_key is not None and self.items is None:
            raise SpecError("--item-key", self.item_key, "goes with --items, the file that has this column")
        if self.bodies_bytes < self.max_body_bytes:
            raise SpecError(
                "--max-bodies", self.max_bodies_bytes, f"must be --max-body ({self.max_body_bytes}) or more"
            )

    @property
    def url(self) -> str:
        """Where requests go."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def bodies_bytes(self) -> int:
        """Bytes that the bodies of all requests under way may take together."""
        return self.max_bodies_bytes or self.max_body_bytes * 3 // 2


_DAY_S = 86_400
_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "admin_port": (0, 65_535),
    "keep_versions": (1, 100),
    "threads": (1, 1024),
    "max_body_bytes": (1024, 2**31),
    "max_rows": (1, 2**31),
    "max_requests": (1, 100_000),
    "header_timeout_s": (0.1, _DAY_S),
    "body_timeout_s": (0.1, _DAY_S),
    "grace_s": (0, _DAY_S),
    "deadline_ms": (1, _DAY_S * 1000),
    "max_queue_rows": (1, 2**31),
    "max_batch_rows": (0, 2**31),
    "max_delay_ms": (0, 60_000),
    "poll_s": (0, _DAY_S),
}


def _option(field: str) -> str:
    """The option that fills a field: `max_body_bytes` is `--max-body`."""
    return "--" + field.removesuffix("_bytes").replace("_", "-")


def _said(number: float) -> str:
    return f"{number:,g}" if number < 1 else f"{number:,.0f}"
