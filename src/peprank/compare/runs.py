"""One run of a comparison: a net is trained as `peprank train` does it, and scores the rows to judge by."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from peprank import api, config
from peprank.compare.boosted_trees import boosted_trees
from peprank.compare.rows import Logits
from peprank.data import open_rows
from peprank.sealed import write_whole
from peprank.training.listener import Silent

MODEL = "model"
_RECORD, _LOGITS = "run.json", "logits.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run needs to know; small, for it travels to another process."""

    contender: str
    is_trees: bool
    seed: int
    tasks: tuple[str, ...]  # those its net predicts
    part: str | None  # rows of one domain; None: all
    config: Path
    folder: Path
    train_inputs: tuple[str, ...]
    eval_inputs: tuple[str, ...]
    cost: float  # training rows x multiply-adds, for the time that is left
    rows: str  # what the training and eval rows are, as a fingerprint

    @property
    def name(self) -> str:
        """Such as "single, seed 3, tab 1, click"."""
        parts = [self.contender, f"seed {self.seed}", self.part, *(self.tasks if len(self.tasks) == 1 else ())]
        return ", ".join(part for part in parts if part is not None)

    @property
    def fingerprint(self) -> str:
        """Of everything that decides its scores."""
        said = (self.config.read_text("utf-8"), self.seed, self.rows, self.part)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    train_s: float = 0.0  # of the last session, where a run was stopped and resumed
    steps: int = 0
    failure: str | None = None  # what went wrong; None: it is done


def outcome_of(run: Run) -> Outcome | None:
    """How an earlier run of the same plan ended; None: there is none that counts."""
    try:
        record = json.loads((run.folder / _RECORD).read_text("utf-8"))
        is_same = record.pop("fingerprint") == run.fingerprint and (run.folder / _LOGITS).is_file()
        return Outcome(**record) if is_same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def logits_of(run: Run) -> Logits:
    """What a finished run said about its eval rows: [n, K of its tasks]."""
    logits: Logits = np.load(run.folder / _LOGITS, allow_pickle=False)
    return logits


def execute(run: Run, *, on_share: Callable[[float], None]) -> Outcome:
    """Train, score, keep the scores and the outcome.

    Args:
        on_share: told now and then which share of the training is done.
    """
    is_begun = _is_begun(run)
    outcome, logits = _grown(run, on_share) if run.is_trees else _trained(run, on_share, is_begun=is_begun)
    np.save(run.folder / _LOGITS, logits, allow_pickle=False)
    write_whole(run.folder / _RECORD, json.dumps({"fingerprint": run.fingerprint, **asdict(outcome)}) + "\n")
    return outcome


def _trained(run: Run, on_share: Callable[[float], None], *, is_begun: bool) -> tuple[Outcome, Logits]:
    """A net, from its last checkpoint."""
    model_dir, begun = run.folder / MODEL, perf_counter()
    result = api.train(
        run.config,
        overrides=_overrides(run, model_dir),
        resume="auto" if is_begun else "never",
        listener=_Shares(on_share),
    )
    outcome = Outcome(train_s=perf_counter() - begun, steps=result.steps)
    scorer = api.load(model_dir, checkpoint="latest")
    batches = open_rows(scorer.spec.eval_inputs, scorer.spec.data, scorer.columns).batches()
    return outcome, np.concatenate([scorer.logits(scorer.encoder.features(rows)) for rows in batches])


def _grown(run: Run, on_share: Callable[[float], None]) -> tuple[Outcome, Logits]:
    """Gradient-boosted trees, one model per task."""
    begun, done = perf_counter(), count(1)
    logits = boosted_trees(
        config.load(run.config).spec,
        run.train_inputs,
        run.eval_inputs,
        seed=run.seed,
        threads=torch.get_num_threads(),
        on_task=lambda _: on_share(next(done) / len(run.tasks)),
    )
    return Outcome(train_s=perf_counter() - begun), logits


def _overrides(run: Run, model_dir: Path) -> list[str]:
    paths = {
        "train_input_path": ",".join(run.train_inputs),
        "eval_input_path": ",".join(run.eval_inputs),
        "model_dir": str(model_dir),
    }
    return [f"train_config.seed={run.seed}", *(f"{field}={json.dumps(path)}" for field, path in paths.items())]


def _is_begun(run: Run) -> bool:
    """Whether what stands in the folder was begun by the same plan; if not, it is cleared for this one."""
    begun = run.folder / "begun"
    if begun.is_file() and begun.read_text("utf-8") == run.fingerprint:
        return True
    shutil.rmtree(run.folder, ignore_errors=True)
    write_whole(begun, run.fingerprint)
    return False


class _Shares(Silent):
    """A TrainListener that passes on how far the run is."""

    def __init__(self, on_share: Callable[[float], None]) -> None:
        self._on_share = on_share
        self._num_steps: int | None = None

    def started(self, step: int, num_steps: int | None) -> None:  # noqa: ARG002
        """Note the length of the run."""
        self._num_steps = num_steps

    def step(self, step: int, losses: object, rows_per_s: float, lr: float) -> None:  # noqa: ARG002
        """Tell every hundredth step."""
        if self._num_steps and step % max(1, self._num_steps // 100) == 0:
            self._on_share(step / self._num_steps)
