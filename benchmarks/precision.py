"""Whether BF16 costs quality: AUC and GAUC of five seeds in float32 and BF16, on KuaiRand and on made-up rows.

A seed gives both precisions the same first weights and the same order of rows, so runs are compared in pairs. It is no
matter of time: on a processor without BF16 torch emulates it, slowly and with the same roundings.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pyarrow.parquet as pq

from benchmarks import workload
from benchmarks.section import Section
from benchmarks.workload import Workload
from peprank.datasets import make
from peprank.spec.train import Precision
from peprank.training import train

SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1, 2)
MADE_UP_ROWS = 200_000  # 160,000 of them for training: about half a minute on one core in float32
PRECISIONS = (Precision.FLOAT32, Precision.BF16)
COLUMNS = ("measure", "float32", "BF16", "BF16 - float32", "within seed noise")

Named = Mapping[str, float | None]  # what `Results.named` gives


def run(quick: bool) -> list[Section]:
    """Train every seed in both precisions and compare; finished runs are kept in `build/bench/precision`.

    Delete that folder to train them again, say with other code.
    """
    if quick:
        return [study("made-up rows, few", workload.kuairand(quick=True), QUICK_SEEDS, None)]
    kept = workload.CACHE / "precision"
    return [
        study("KuaiRand", workload.kuairand(quick=False), SEEDS, kept),
        study("made-up rows", made_up(), SEEDS, kept),
    ]


def made_up() -> Workload:
    """Rows whose truth is known, for the config of the example."""
    folder = workload.CACHE / f"made-up-{MADE_UP_ROWS}"
    if not (folder / "truth.json").is_file():  # the last file that is written
        make(folder, rows=MADE_UP_ROWS, domains=3, tasks=6, seed=1)
    training, judging = folder / "train.parquet", folder / "val.parquet"
    return replace(
        workload.kuairand(quick=True),
        train=training,
        eval=judging,
        train_rows=pq.read_metadata(training).num_rows,
        eval_rows=pq.read_metadata(judging).num_rows,
    )


def study(name: str, work: Workload, seeds: Sequence[int], kept: Path | None) -> Section:
    """Train on one set of rows, and compare.

    Args:
        kept: folder of finished runs; None: nothing is kept.
    """
    runs = {p: [_measures(work, p, seed, kept) for seed in seeds] for p in PRECISIONS}
    rows = compared(runs[Precision.FLOAT32], runs[Precision.BF16])
    far = [row[0] for row in rows if row[-1] == "no"]
    verdict = f"no: {', '.join(far)}" if far else f"yes, all {len(rows)} measures"
    return Section(
        title=f"BF16 against float32: quality on {name}",
        text=f"`{work.name}`, {work.train_rows:,} rows to train on, {work.eval_rows:,} to judge by, "
        f"{len(seeds)} seeds. Mean over seeds ± standard deviation; difference of the pairs ± its standard error. "
        "Within seed noise: BF16 moves the mean by no more than another seed moves a run in float32.",
        columns=COLUMNS,
        rows=rows,
        notes=[f"Within seed noise: {verdict}.", _significance(runs[Precision.FLOAT32], runs[Precision.BF16])],
    )


def compared(exact: Sequence[Named], rounded: Sequence[Named]) -> list[tuple[str, ...]]:
    """One row of cells per AUC and GAUC that every run has.

    Args:
        exact: what float32 gave, by seed.
        rounded: what BF16 gave, same seeds.
    """
    rows: list[tuple[str, ...]] = []
    for name in _common(exact, rounded):
        ours, theirs = _values(exact, name), _values(rounded, name)
        difference, error = _paired(ours, theirs)
        is_noise = abs(difference) <= stdev(ours)
        cells = f"{mean(ours):.4f} ± {stdev(ours):.4f}", f"{mean(theirs):.4f} ± {stdev(theirs):.4f}"
        rows.append((name, *cells, f"{difference:+.4f} ± {error:.4f}", "yes" if is_noise else "no"))
    return rows


def _significance(exact: Sequence[Named], rounded: Sequence[Named]) -> str:
    """How many differences are larger than chance gives: one in twenty are, beyond Student's bound."""
    bound = _STUDENT[len(exact)]
    pairs = [_paired(_values(exact, name), _values(rounded, name)) for name in _common(exact, rounded)]
    beyond = sum(abs(difference) > bound * error for difference, error in pairs)
    return f"Differences beyond {bound} standard errors: {beyond} of {len(pairs)}; one in twenty is expected by chance."


_STUDENT = {2: 12.7, 5: 2.78}  # number of pairs -> two-sided 5 % point of Student's t


def _common(exact: Sequence[Named], rounded: Sequence[Named]) -> list[str]:
    names = [name for name in exact[0] if name.startswith(("auc", "gauc")) and "unweighted" not in name]
    return [name for name in names if all(run.get(name) is not None for run in (*exact, *rounded))]


def _values(runs: Sequence[Named], name: str) -> list[float]:
    return [value for run in runs if (value := run[name]) is not None]


def _paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Mean of theirs - ours, and its standard error."""
    differences = np.subtract(theirs, ours)
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))


def _measures(work: Workload, precision: Precision, seed: int, kept: Path | None) -> Named:
    """What one run gives, from an earlier call if that finished it."""
    if kept is None:
        return _train(work, precision, seed)
    place = f"{_digest(work)}-{precision.name}-seed-{seed}.json"
    path = workload.kept(kept / place, lambda out: out.write_text(json.dumps(_train(work, precision, seed)), "utf-8"))
    named: Named = json.loads(path.read_text("utf-8"))
    return named


def _train(work: Workload, precision: Precision, seed: int) -> Named:
    plan = work.plan(f"train_config.seed={seed}", f'train_config.mixed_precision="{precision.value}"')
    with tempfile.TemporaryDirectory() as folder:
        results = train(plan, model_dir=Path(folder)).results
    assert results is not None  # the workload has rows to judge by
    return results.named()


def _digest(work: Workload) -> str:
    """Tells runs on other rows or of another config apart."""
    text = work.config.read_text("utf-8") + f"{work.train_rows} {work.eval_rows} {work.overrides}"
    return f"{work.train.parent.name}-{sha256(text.encode()).hexdigest()[:12]}"
