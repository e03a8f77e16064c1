"""Model life: the highest good version answers, whatever lies in the folder and whatever happens to it."""

from __future__ import annotations

import gc
import logging
import shutil
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from peprank.bundle import ConfigSource
from peprank.encode import Encoder
from peprank.errors import ArtifactError, RequestError, SpecError
from peprank.serve.loading import Load
from peprank.serve.model import ServedModel
from peprank.serve.repository import Repository
from tests import tiny
from tests.serve.models import Heard, load, load_made_up, put, read_rows, save_bundle

_WAIT_S = 60


def opened(
    root: Path, load: Load = load_made_up, *, listener: Heard | None = None, keep: int = 1, timeout_s: float = _WAIT_S
) -> Repository:
    repository = Repository(root, load, keep_versions=keep, load_timeout_s=timeout_s, listener=listener)
    look(repository)
    return repository


def look(repository: Repository) -> None:
    repository.poll()
    assert repository.wait(_WAIT_S)


def answering(repository: Repository, name: str = "ctr", version: str | None = None) -> str:
    """Version and content of what answers."""
    with repository.get(name, version) as model:
        return f"{model.version} {model.sha256}"


def states(repository: Repository) -> dict[str, tuple[str, str]]:
    return {row["version"]: (row["state"], row["reason"]) for row in repository.index()}


def refusal(ask: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(RequestError) as refused:
        ask()
    return refused.value.status, str(refused.value)


def mapped_files() -> str:
    return Path("/proc/self/maps").read_text()


def test_the_highest_version_answers(tmp_path: Path) -> None:
    for number in (2, 9, 10):
        put(tmp_path / "ctr" / str(number))
    repository = opened(tmp_path)
    assert answering(repository) == "10 good"
    assert (repository.ready(), repository.names(), repository.versions("ctr")) == (True, ("ctr",), ("10",))
    assert states(repository) == {
        "2": ("UNAVAILABLE", "a higher version answers"),
        "9": ("UNAVAILABLE", "a higher version answers"),
        "10": ("READY", ""),
    }


def test_a_new_version_takes_over_and_the_listener_hears_of_it(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    heard = Heard.nothing()
    repository = opened(tmp_path, listener=heard)
    put(tmp_path / "ctr" / "2", "two")
    look(repository)
    assert answering(repository) == "2 two"
    assert heard == Heard([("ctr", "1", "one"), ("ctr", "2", "two")], [("ctr", "1")], [])


def test_a_version_that_is_removed_is_rolled_back_without_a_gap(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    put(tmp_path / "ctr" / "2", "two")
    may_load = threading.Event()
    may_load.set()

    def slowly(path: Path, name: str, version: str) -> ServedModel:
        assert may_load.wait(_WAIT_S)
        return load_made_up(path, name, version)

    repository = opened(tmp_path, slowly)
    may_load.clear()
    shutil.rmtree(tmp_path / "ctr" / "2")
    repository.poll()
    assert answering(repository) == "2 two"
    assert states(repository)["2"] == ("READY", "its files were removed; it answers until another version can")
    may_load.set()
    assert repository.wait(_WAIT_S)
    assert answering(repository) == "1 one"
    assert states(repository) == {"1": ("READY", "")}


def test_a_version_whose_rollback_is_refused_goes_on(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "bad")
    put(tmp_path / "ctr" / "2", "two")
    repository = opened(tmp_path)
    shutil.rmtree(tmp_path / "ctr" / "2")
    look(repository)
    assert answering(repository) == "2 two"
    put(tmp_path / "ctr" / "1", "mended")
    look(repository)
    assert answering(repository) == "1 mended"


def test_a_bad_version_is_refused_once_and_tried_again_when_its_files_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "ctr" / "1", "one")
    heard = Heard.nothing()
    repository = opened(tmp_path, listener=heard)
    put(tmp_path / "ctr" / "2", "bad")
    look(repository)
    assert states(repository)["2"] == ("LOADING", "its files may not be whole yet: content: is bad")
    assert heard.refused_models == []
    for _ in range(3):  # its files do not change any more
        look(repository)
    assert states(repository)["2"] == ("UNAVAILABLE", "content: is bad")
    assert heard.refused_models == ["ctr"]
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "model 'ctr' version 2 is refused: content: is bad"
    ]
    assert answering(repository) == "1 one"
    put(tmp_path / "ctr" / "2", "mended")
    look(repository)
    assert answering(repository) == "2 mended"


def test_a_version_that_is_still_being_copied_is_waited_for(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    heard = Heard.nothing()
    repository = opened(tmp_path, listener=heard)
    for part in range(5):
        put(tmp_path / "ctr" / "2", "bad" + part * "...")
        look(repository)
        assert answering(repository) == "1 one"
        assert states(repository)["2"][0] == "LOADING"
    put(tmp_path / "ctr" / "2", "whole")
    look(repository)
    assert answering(repository) == "2 whole"
    assert heard.refused_models == []


def test_files_that_change_while_they_are_loaded_are_loaded_again(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "half")

    def while_it_is_written(path: Path, name: str, version: str) -> ServedModel:
        model = load_made_up(path, name, version)
        if model.sha256 == "half":
            put(path, "whole")
        return model

    repository = opened(tmp_path, while_it_is_written)
    assert not repository.ready()
    assert states(repository)["1"] == (
        "LOADING",
        "its files may not be whole yet: its files changed while they were loaded",
    )
    look(repository)
    assert answering(repository) == "1 whole"


def test_at_the_start_the_highest_good_version_is_found(tmp_path: Path) -> None:
    for number, content in enumerate(["one", "two", "bad", "bad"], 1):
        put(tmp_path / "ctr" / str(number), content)
    heard = Heard.nothing()
    repository = opened(tmp_path, listener=heard)
    assert answering(repository) == "2 two"
    assert heard == Heard([("ctr", "2", "two")], [], ["ctr", "ctr"])


def test_a_version_replaced_in_place_is_loaded_anew_or_refused(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    heard = Heard.nothing()
    repository = opened(tmp_path, listener=heard)
    put(tmp_path / "ctr" / "1", "two")
    look(repository)
    assert answering(repository) == "1 two"
    put(tmp_path / "ctr" / "1", "bad")
    look(repository)
    look(repository)
    assert answering(repository) == "1 two"
    assert states(repository)["1"] == ("READY", "its files were changed and are not used: content: is bad")
    assert heard == Heard([("ctr", "1", "one"), ("ctr", "1", "two")], [], ["ctr"])


def test_older_versions_answer_by_number_if_they_are_kept(tmp_path: Path) -> None:
    for number in ("1", "2", "3"):
        put(tmp_path / "ctr" / number, f"content {number}")
    repository = opened(tmp_path, keep=2)
    assert repository.versions("ctr") == ("2", "3")
    assert answering(repository, version="2") == "2 content 2"
    assert answering(repository) == "3 content 3"
    assert refusal(lambda: answering(repository, version="1")) == (404, "model 'ctr' has no version '1'; loaded: 2, 3")
    put(tmp_path / "ctr" / "4", "bad")
    look(repository)
    look(repository)
    assert repository.versions("ctr") == ("2", "3")


def test_unknown_names_and_models_that_are_not_loaded_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "bad")
    repository = opened(tmp_path)
    assert refusal(lambda: answering(repository)) == (503, "model 'ctr' is not loaded")
    unknown = "model 'no\\x00ne' is unknown; GET /v2/models lists the models"
    assert refusal(lambda: answering(repository, "no\0ne")) == (404, unknown)


def test_a_model_that_comes_later_makes_no_server_unready(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1")
    put(tmp_path / "cvr" / "1", "bad")
    repository = opened(tmp_path)
    assert not repository.ready()
    put(tmp_path / "cvr" / "1", "good")
    look(repository)
    assert repository.ready()
    put(tmp_path / "later" / "1", "bad")
    look(repository)
    assert repository.ready()
    shutil.rmtree(tmp_path / "cvr")
    look(repository)
    assert repository.ready()
    assert repository.names() == ("ctr",)


def test_a_folder_that_cannot_be_read_or_is_empty_stops_nothing(tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root / "ctr" / "1")
    repository = opened(root)
    root.rename(tmp_path / "elsewhere")
    look(repository)
    root.mkdir()
    look(repository)
    assert answering(repository) == "1 good"


def test_loading_that_hangs_is_refused_and_stops_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    go_on = threading.Event()

    def hanging(path: Path, name: str, version: str) -> ServedModel:
        if version == "2":
            go_on.wait(_WAIT_S)
        return load_made_up(path, name, version)

    repository = opened(tmp_path, hanging, timeout_s=0.2)
    put(tmp_path / "ctr" / "2", "two")
    repository.poll()
    assert states(repository)["2"] == ("LOADING", "")
    assert answering(repository) == "1 one"
    put(tmp_path / "other" / "1")
    repository.poll()
    assert repository.wait(_WAIT_S)
    assert answering(repository, "other") == "1 good"
    look(repository)
    assert states(repository)["2"] == ("UNAVAILABLE", "took longer than 0.2 s to load")
    go_on.set()
    look(repository)
    assert answering(repository) == "1 one"


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_whatever_loading_raises_is_a_refusal(tmp_path: Path, error: BaseException) -> None:
    put(tmp_path / "ctr" / "1")

    def raising(path: Path, name: str, version: str) -> ServedModel:
        if version == "2":
            raise error
        return load_made_up(path, name, version)

    repository = opened(tmp_path, raising)
    put(tmp_path / "ctr" / "2")
    look(repository)
    look(repository)
    assert states(repository)["2"] == ("UNAVAILABLE", f"{type(error).__name__}: {error}")
    assert answering(repository) == "1 good"


def test_an_unloaded_model_stays_away_until_it_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1")
    repository = opened(tmp_path)
    repository.unload("ctr")
    put(tmp_path / "ctr" / "2")
    look(repository)
    assert refusal(lambda: answering(repository)) == (503, "model 'ctr' is not loaded")
    assert states(repository)["1"] == ("UNAVAILABLE", "unloaded")
    repository.load("ctr")
    assert answering(repository) == "2 good"


def test_load_tries_at_once_what_was_refused(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "one")
    repository = opened(tmp_path)
    put(tmp_path / "ctr" / "2", "bad")
    assert refusal(lambda: repository.load("ctr")) == (400, "model 'ctr' version 2 is not loaded: content: is bad")
    assert answering(repository) == "1 one"
    put(tmp_path / "ctr" / "2", "mended")
    repository.load("ctr")
    assert answering(repository) == "2 mended"
    for change in (repository.load, repository.unload):
        assert refusal(partial(change, "../etc")) == (
            404,
            "model '../etc' is unknown; the repository index lists the models",
        )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_old_version_lives_as_long_as_its_requests_and_no_longer(tmp_path: Path) -> None:
    save_bundle(tmp_path / "ctr" / "1", seed=1)
    repository = opened(tmp_path, load)
    gc.collect()
    gc.disable()  # no cycle may keep hundreds of megabytes until a collection happens to run
    try:
        with repository.get("ctr") as model:
            old, weights = weakref.ref(model), weakref.ref(model.scorer.ranker)
            rows = model.golden_rows
            before = model.scorer.score_rows(rows)
            assert str(tmp_path / "ctr" / "1") in mapped_files()
            save_bundle(tmp_path / "ctr" / "2", seed=2)
            look(repository)
            shutil.rmtree(tmp_path / "ctr" / "1")
            look(repository)
            assert answering(repository).startswith("2 ")
            assert model.scorer.score_rows(rows) == before
        del model
        assert (old(), weights()) == (None, None)
        assert str(tmp_path / "ctr" / "1") not in mapped_files()
    finally:
        gc.enable()


def test_a_change_of_an_extra_file_is_a_change_of_every_version(tmp_path: Path) -> None:
    put(tmp_path / "models" / "ctr" / "1", "one")
    (tmp_path / "items").write_text("old")

    def with_items(path: Path, name: str, version: str) -> ServedModel:
        items = (tmp_path / "items").read_text()
        model = load_made_up(path, name, version)
        if items == "damaged":
            raise ArtifactError("items: are damaged")
        return replace(model, sha256=f"{model.sha256} with {items} items")

    repository = Repository(tmp_path / "models", with_items, extras=[tmp_path / "items"])
    look(repository)
    assert answering(repository) == "1 one with old items"
    (tmp_path / "items").write_text("newer")
    look(repository)
    assert answering(repository) == "1 one with newer items"
    (tmp_path / "items").write_text("damaged")
    look(repository)
    look(repository)
    assert answering(repository) == "1 one with newer items"
    assert states(repository)["1"] == ("READY", "its files were changed and are not used: items: are damaged")
    (tmp_path / "items").unlink()
    look(repository)
    look(repository)
    assert answering(repository) == "1 one with newer items"
    assert states(repository)["1"][1].startswith("its files were changed and are not used: FileNotFoundError: ")


def test_a_single_bundle_is_version_1_and_may_be_replaced(tmp_path: Path) -> None:
    path = save_bundle(tmp_path / "tiny", step=1)
    repository = Repository(path, load)
    look(repository)
    save_bundle(path, step=2)
    look(repository)
    with repository.get("tiny", "1") as model:
        assert model.step == 2
    shutil.rmtree(path)
    look(repository)
    assert repository.ready()


def test_a_bundle_may_be_given_a_name_that_requests_can_give(tmp_path: Path) -> None:
    path = save_bundle(tmp_path / "my model")
    assert Repository(path, load, name="mine.v1")._folder.bundle_name == "mine.v1"
    with pytest.raises(SpecError) as refused:
        Repository(path, load)
    assert str(refused.value) == (
        "--name = 'my model': must be letters, digits, '.', '_' and '-', and begin with one of the first two"
    )
    put(tmp_path / "models" / "ctr" / "1")
    with pytest.raises(SpecError, match="is for one bundle; the models of a repository are called like their folders"):
        Repository(tmp_path / "models", load_made_up, name="mine")


def test_a_start_without_any_good_model_says_why(tmp_path: Path) -> None:
    put(tmp_path / "ctr" / "1", "bad")
    put(tmp_path / "cvr" / "1", "bad idea")
    repository = Repository(tmp_path, load_made_up)
    with pytest.raises(ArtifactError) as refused:
        repository.start()
    assert str(refused.value) == (
        "no model can be served\nctr, version 1: content: is bad\ncvr, version 1: content: is bad idea"
    )
    put(tmp_path / "cvr" / "1", "good")
    repository.start()
    assert (repository.names(), repository.ready()) == (("cvr",), False)


def test_a_folder_that_is_neither_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-7").mkdir(parents=True)
    with pytest.raises(ArtifactError) as refused:
        Repository(tmp_path, load_made_up)
    assert str(refused.value) == (
        f"{tmp_path}: is neither a bundle (it has no bundle.json) nor a repository (it has no <name>/<version>/ of "
        "bundles); make a bundle with `peprank export`"
    )


def test_a_change_of_inputs_or_outputs_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = ConfigSource(text=tiny.CONFIG.replace(', "price", "age"]', "]"), assets={}).lower().spec
    encoder = Encoder(spec, serving=True)

    def other(path: Path, name: str, version: str) -> ServedModel:
        model = load_made_up(path, name, version)
        return model if version == "1" else replace(model, rows=read_rows(spec, encoder, model.golden_rows.schema))

    caplog.set_level(logging.INFO)
    put(tmp_path / "ctr" / "1", "one")
    repository = opened(tmp_path, other)
    put(tmp_path / "ctr" / "2", "two")
    look(repository)
    told = "model 'ctr' version 2 answers (step 12, sha256 two, in float32)"
    gone = "inputs that are gone: age FP64 [-1], price FP32 [-1]"
    assert f"{told}; {gone}" in caplog.messages
