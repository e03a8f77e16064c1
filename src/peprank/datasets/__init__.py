"""Public data made trainable (KuaiRand), and made-up data whose true probabilities are known."""

from peprank.datasets.kuairand import ConvertReport, DayRange, convert
from peprank.datasets.synthetic import Bounds, SyntheticReport, gap_closed, make

__all__ = ["Bounds", "ConvertReport", "DayRange", "SyntheticReport", "convert", "gap_closed", "make"]
