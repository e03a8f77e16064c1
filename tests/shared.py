"""Where the project's private test data lies: a folder `shared` beside the checkout. A stranger's clone has none."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the project's test data, a folder 'shared' beside the checkout"
)
