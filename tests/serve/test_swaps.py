"""Hot swaps under load, the short form: every answer is exactly one version's, and says which."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from peprank.serve.model import ServedModel
from peprank.serve.repository import Repository
from peprank.serve.request import InferRequest, InferResponse
from tests.serve.models import load, save_bundle

_SWAPS = 20


def answer(model: ServedModel) -> InferResponse:
    """The answer to a request for the scores of the golden rows, which both bundles share."""
    return model.answer(InferRequest(inputs={}), model.logits(model.scorer.encoder.features(model.golden_rows)))


def test_every_answer_under_swaps_is_exactly_that_of_the_version_it_names(tmp_path: Path) -> None:
    sources = [save_bundle(tmp_path / name, seed=seed) for name, seed in (("even", 1), ("odd", 2))]
    expected = [answer(load(source, "ctr", "1")) for source in sources]
    root = tmp_path / "models"
    shutil.copytree(sources[1], root / "ctr" / "1")
    repository = Repository(root, load)
    repository.start()
    is_over, answered = threading.Event(), {1: threading.Event()}

    def ask() -> list[int]:
        """Versions that answered, one by one."""
        seen = []
        while not is_over.is_set():
            with repository.get("ctr") as model:
                response = answer(model)
            number = int(response.model_version)
            for got, want in zip(response.outputs, expected[number % 2].outputs, strict=True):
                assert got.name == want.name
                np.testing.assert_array_equal(got.values, want.values)
            seen.append(number)
            answered[number].set()
        return seen

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        try:
            for number in range(2, 2 + _SWAPS):
                answered[number] = threading.Event()
                shutil.copytree(sources[number % 2], tmp_path / "beside")
                (tmp_path / "beside").rename(root / "ctr" / str(number))
                repository.poll()
                assert answered[number].wait(60)
                shutil.rmtree(root / "ctr" / str(number - 1))
        finally:
            is_over.set()
    assert sum(len(future.result()) for future in asking) > 10 * _SWAPS
    assert all(future.result() == sorted(future.result()) for future in asking)
