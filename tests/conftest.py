"""Settings of all tests."""

import os
import signal

from hypothesis import settings

pytest_plugins = ["tests.promises"]

# No deadline per example: a loaded machine is no bug. In CI the same examples every time; new ones are found at home.
settings.register_profile("peprank", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("peprank")

# A shell's background job ignores ctrl-C, and so would the runs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# scripts/test-clients runs them, in virtual environments that have the clients.
collect_ignore_glob = ["clients/*.py"]
