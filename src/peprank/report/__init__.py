"""Results -> one self-contained HTML page with plots. Needs the extra packages of `peprank[report]`."""

from peprank.report.write import is_comparison, write_comparison, write_runs

__all__ = ["is_comparison", "write_comparison", "write_runs"]
