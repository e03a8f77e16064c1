"""From files to encoded batches: read, encode and group ahead of the training step."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import torch

from peprank.batch import Features, Targets
from peprank.data.ahead import ahead
from peprank.encode import Encoder

_DEPTH = 3  # encoded batches that wait for the training step


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of rows as training sees it."""

    features: Features
    targets: Targets

    @property
    def num_rows(self) -> int:
        """B."""
        return self.features.num_rows

    def to(self, device: torch.device) -> Batch:
        """Return it on `device`; itself when it is there."""
        return self if device.type == "cpu" else Batch(self.features.to(device), self.targets.to(device))


def encoded(rows: Iterable[pa.RecordBatch], encoder: Encoder) -> Generator[Batch, None, None]:
    """Encode batches of rows in one thread, ahead of the caller and in their order.

    Closing the generator ends the thread; an error of the thread is raised here.
    """
    with closing(ahead((Batch(encoder.features(part), encoder.targets(part)) for part in rows), _DEPTH)) as batches:
        yield from batches


def grouped(batches: Iterator[Batch], num: int) -> Iterator[list[Batch]]:
    """Yield lists of `num` batches, the last one shorter: what one update with accumulated gradients reads."""
    while group := list(islice(batches, num)):
        yield group
