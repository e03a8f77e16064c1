"""The plan of a run as frozen dataclasses: what `config/` lowers a file to and every other room reads."""
