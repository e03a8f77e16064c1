"""What this machine and this installation can do, and what to mend."""

from peprank.doctor.examine import examine
from peprank.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
