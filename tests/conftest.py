"""Settings of all tests."""

import signal

from hypothesis import settings

# No deadline per example: a loaded machine is not a bug.
settings.register_profile("peprank", deadline=None)
settings.load_profile("peprank")

# A shell's background job ignores ctrl-C, and so would the runs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
