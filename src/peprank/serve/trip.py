"""One request on its way through the server: what was asked, where its time went and how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from peprank.errors import RequestError
from peprank.serve.request import OutputTensor, Parameters
from peprank.serve.rows import Encoded

Stage: TypeAlias = Literal["decode", "encode", "queue", "model", "reply"]
STAGES: tuple[Stage, ...] = get_args(Stage)
CLIENT_GONE = 499  # the status of a request that nobody waits for any more


@dataclass(slots=True, kw_only=True, eq=False)
class Trip:
    """What is known about one request; each room that it passes fills in its part.

    Its model stays empty until the repository has found it, so that no label of a metric comes from a client.
    """

    clock: Callable[[], float]  # seconds since some moment
    started_s: float  # on that clock, as all moments here
    deadline_s: float = math.inf  # a request that has waited until then is not scored
    id: str = ""  # as the client calls it
    model: str = ""
    version: str = ""
    encoded: Encoded | None = None
    outputs: tuple[OutputTensor, ...] = ()
    status: int = 200  # of HTTP; 499: the client went away
    stage_s: dict[Stage, float] = field(default_factory=dict)  # seconds spent in each stage that was reached
    whole_s: float = 0.0  # seconds from start to end, once it has ended

    @property
    def num_rows(self) -> int:
        """Rows to score; 0 before they are encoded."""
        return 0 if self.encoded is None else self.encoded.num_rows

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Time the block as this stage."""
        began_s = self.clock()
        try:
            yield
        finally:
            self.stage_s[name] = self.clock() - began_s

    def expire_after(self, patience_s: float) -> None:
        """Set the deadline, so many seconds after the start."""
        self.deadline_s = self.started_s + patience_s


def patience_of(parameters: Parameters, default_s: float) -> float:
    """Seconds that a request may wait: its parameter `timeout`, in microseconds as in Triton, where it asks for less.

    Args:
        parameters: of the request; a timeout of 0 means none of its own.
        default_s: what the server allows; infinity: any time.

    Raises:
        RequestError: the timeout is not a whole number, or negative.
    """
    timeout = parameters.get("timeout", 0)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise RequestError(f"parameters.timeout = {timeout!r:.40}: must be a whole number of microseconds, 0 or more")
    return min(timeout / 1e6, default_s) if timeout else default_s
