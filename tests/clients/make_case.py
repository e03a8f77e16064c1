"""Write a bundle to serve, and a request with the scores that the library gives: make_case.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from peprank.api import load
from peprank.serve.example import example_request
from tests import tiny
from tests.serve import models

NUM_ROWS = 5


def main(folder: Path) -> None:
    bundle = models.save_bundle(folder / "tiny")
    rows = tiny.rows(100, seed=5)
    rows = rows.filter(pc.is_valid(rows["age"])).slice(0, NUM_ROWS)  # clients write NaN into JSON, which is none
    request = example_request(models.load(bundle, "tiny", "1"), rows.combine_chunks().to_batches()[0])
    expected = load(bundle).predict(pa.table(rows)).to_pydict()
    (folder / "case.json").write_text(json.dumps({"inputs": request["inputs"], "expected": expected}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
