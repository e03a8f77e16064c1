"""Public data made trainable (KuaiRand, MovieLens, Ali-CCP), and made-up data whose true probabilities are known."""

from peprank.datasets.aliccp import AliCcpReport, convert_aliccp
from peprank.datasets.kuairand import DayRange, convert, convert_portions
from peprank.datasets.movielens import convert_movielens
from peprank.datasets.splits import ConvertReport, Portions
from peprank.datasets.synthetic import Bounds, SyntheticReport, gap_closed, make

__all__ = [
    "AliCcpReport",
    "Bounds",
    "ConvertReport",
    "DayRange",
    "Portions",
    "SyntheticReport",
    "convert",
    "convert_aliccp",
    "convert_movielens",
    "convert_portions",
    "gap_closed",
    "make",
]
