"""Settings of all tests."""

from hypothesis import settings

# No deadline per example: a loaded machine is not a bug.
settings.register_profile("peprank", deadline=None)
settings.load_profile("peprank")
