"""What is written down about a run, so that it can be told of and done again: config, data, versions, times, result."""

from peprank.record.differences import differences
from peprank.record.keeper import Keeper
from peprank.record.machine import environment
from peprank.record.record import Judged, RunRecord, Session
from peprank.training.checkpoint import RECORD

__all__ = ["RECORD", "Judged", "Keeper", "RunRecord", "Session", "differences", "environment"]
