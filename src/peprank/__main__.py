"""`python -m peprank` is `peprank`."""

import sys

from peprank.cli.main import main

sys.exit(main())
