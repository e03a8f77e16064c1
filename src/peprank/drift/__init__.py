"""Whether the rows being scored are still like those a model was trained on: a profile, and what is held against it."""

from peprank.drift.profile import Profile, profile_of
from peprank.drift.watch import Drift, DriftWatch

__all__ = ["Drift", "DriftWatch", "Profile", "profile_of"]
