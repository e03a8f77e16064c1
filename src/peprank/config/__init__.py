"""The porch: config files are read, checked and turned into the plan of a run. Nobody else knows protobuf."""

from peprank.config.lower import Lowered, load, lower, read_text_file
from peprank.config.read import ConfigFile, parse, read
from peprank.config.settings import settings_of

__all__ = ["ConfigFile", "Lowered", "load", "lower", "parse", "read", "read_text_file", "settings_of"]
