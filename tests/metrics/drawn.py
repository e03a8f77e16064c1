"""Tables that hypothesis draws: few distinct scores, so that ties are common, and every shape of group."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

Table: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]

_TIED = st.sampled_from([-np.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 0.5, 1.0, np.inf])
_ANY = st.floats(width=32, allow_nan=False)


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 60) -> Table:
    """float32 scores, 0/1 labels, int64 groups of one length, which may be 0."""
    rows = draw(st.integers(0, max_rows))
    score = draw(arrays.arrays(np.float32, rows, elements=draw(st.sampled_from([_TIED, _ANY]))))
    label = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 1)))
    groups = st.integers(0, 5) | st.integers(-(2**63), 2**63 - 1)
    group = draw(arrays.arrays(np.int64, rows, elements=groups))
    return score, label, group
