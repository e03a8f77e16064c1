"""Results -> one self-contained HTML page with plots. Needs the extra packages of `peprank[report]`."""

from peprank.report.write import write_run

__all__ = ["write_run"]
