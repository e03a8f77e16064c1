"""The suitcase: a directory that holds all that scoring needs and proves that it still scores as it did."""

from peprank.bundle.bundle import Bundle, is_bundle, load, save
from peprank.bundle.golden import draw_golden_rows, read_rows, write_rows
from peprank.bundle.source import ConfigSource

__all__ = ["Bundle", "ConfigSource", "draw_golden_rows", "is_bundle", "load", "read_rows", "save", "write_rows"]
