"""Made-up impressions whose true probabilities are known, in KuaiRand's layout, so the best possible AUC is known too.

A row's true log-odds for task t in domain d is a sum of parts, each standardised and weighted by the tables below:

    generosity of the user           a heavy user likes and clicks more; haters are not generous
    quality of the video             mostly its author's; every task agrees on it
    bait of the video                raises clicks and hates, lowers long views and likes: tasks conflict
    length of the video              liked in some domains and disliked in others: domains conflict
    taste of user x video            sum over K latent topics; half of the topics change sign between domains, and
                                     tasks weigh topics differently: both seesaws are planted

plus an intercept per task and domain that gives the domain its share of positives. Users' tastes show partly in their
profile and videos' topics partly in tags and authors, so that cold users and videos (seen in no training row) can be
scored as well, but never perfectly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.datasets.features import ACTIONS, trainable_rows
from peprank.datasets.files import write_rows
from peprank.datasets.statistics import FloatArray, IntArray
from peprank.errors import DataError
from peprank.sealed import write_whole

TRUE_PROB = "true_prob_"  # prefix of the columns in the validation file that hold what no model may see
MAX_DOMAINS = 15  # as many as KuaiRand has tabs

BASE_RATES = {  # share of rows with a positive label; tasks in the order in which `tasks=` counts them
    "click": 0.45,
    "long_view": 0.30,
    "like": 0.02,
    "follow": 0.003,
    "forward": 0.002,
    "hate": 0.001,
    "comment": 0.0025,
}
_LOADINGS = {  # task -> weight of generosity, quality, bait, length, taste in its log-odds
    "click": (0.7, 0.5, 0.5, 0.5, 0.9),
    "long_view": (0.7, 0.7, -0.4, -0.6, 0.9),
    "like": (1.2, 0.8, -0.5, 0.3, 0.8),
    "follow": (1.0, 1.2, -0.3, 0.3, 0.8),
    "forward": (1.2, 1.0, 0.3, -0.3, 0.8),
    "hate": (-0.8, -0.9, 1.2, 0.3, -0.8),
    "comment": (1.2, 0.6, 0.6, 0.3, 0.8),
}
_NUM_TOPICS = 4
_TRAIN_DAYS, _VAL_DAYS = 10, 2
_FIRST_DAY = np.datetime64("2022-04-25", "D")
_COLD_USERS, _COLD_VIDEOS = 0.05, 0.10  # shares that appear on validation days only

# Value sets of the archive, so that the same config reads both.
_USER_IDS, _VIDEO_IDS, _AUTHOR_IDS, _MUSIC_IDS, _NUM_TAGS = 27_285, 7_583, 9_000_000, 10**10, 70
_USER_WORDS = {
    "user_active_degree": ("full_active", "high_active", "middle_active", "low_active", "2_14_day_new"),
    "follow_user_num_range": ("(10,50]", "500+", "(250,500]", "(50,100]", "(150,250]", "(100,150]", "(0,10]", "0"),
    "fans_user_num_range": ("[10,100)", "[100,1k)", "[1,10)", "[1k,5k)", "0", "[5k,1w)"),
    "friend_user_num_range": ("[5,30)", "[1,5)", "0", "250+", "[30,60)", "[60,120)", "[120,250)"),
    "register_days_range": ("730+", "366-730", "181-365", "91-180", "61-90", "31-60", "15-30"),
}
_ONEHOT_SIZES = (2, 7, 50, 1471, 15, 34, 3, 118, 454, 7, 5, 5, 2, 2, 2, 2, 2, 2)
_TASTE_FEATURES = (1, 9, 10)  # the onehot_feat columns that a user's taste shows in
_VIDEO_WORDS = {"video_type": ("NORMAL", "AD"), "upload_type": ("LongImport", "Web", "ShortImport", "Kmovie")}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Worst sensible and best possible AUC on some validation rows; None where a class is missing."""

    rows: int
    positives: int
    constant_auc: float | None  # every row scored with the share of positives among its domain's training rows
    oracle_auc: float | None  # every row scored with its true probability


@dataclass(frozen=True, slots=True)
class SyntheticReport:
    """What `make` wrote."""

    rows: dict[str, int]  # split -> rows
    bounds: dict[str, dict[str, Bounds]]  # task -> "all" or domain -> bounds
    train: Path
    val: Path
    truth: Path  # the bounds as JSON


def make(
    out: Path, *, rows: int, domains: int = 3, tasks: int = 6, seed: int = 42, val_fraction: float = 0.2
) -> SyntheticReport:
    """Write `train.parquet`, `val.parquet` (with `true_prob_<task>` columns) and `truth.json` under `out`.

    Args:
        out: folder to write into; made if missing.
        rows: impressions in all, in time order over twelve days, the last two of which are for validation.
        domains: values of `tab`, 1 to 15; the first has the most rows.
        tasks: how many of click, long_view, like, follow, forward, hate, comment ever happen, 1 to 7.
            The label columns of the others are there and hold zeros.
        seed: same arguments, same files.
        val_fraction: share of the rows on the validation days, in (0, 1).

    Raises:
        DataError: an argument is out of its range.
    """
    _check(rows, domains, tasks, seed, val_fraction)
    rng = np.random.default_rng(seed)
    users = _make_users(rng, np.clip(rows // 25, 20, _USER_IDS))
    videos = _make_videos(rng, np.clip(rows // 60, 20, _VIDEO_IDS))
    shown = _show(rng, users, videos, rows, round(rows * val_fraction), domains)
    names = list(BASE_RATES)[:tasks]
    prob = _true_probabilities(rng, users, videos, shown, names)
    happened = (rng.random(prob.shape) < prob).astype(np.int8)
    table = trainable_rows(
        _log(shown, users, videos, dict(zip(names, happened, strict=True))), users.table, videos.table
    )
    is_val = shown.day >= _TRAIN_DAYS
    train, val = table.filter(~is_val), table.filter(is_val)
    for name, true_prob in zip(names, prob, strict=True):
        val = val.append_column(TRUE_PROB + name, pa.array(true_prob[is_val]))
    report = SyntheticReport(
        rows={"train": train.num_rows, "val": val.num_rows},
        bounds={name: _bounds(train, val, name) for name in names},
        train=out / "train.parquet",
        val=out / "val.parquet",
        truth=out / "truth.json",
    )
    write_rows(train, report.train)
    write_rows(val, report.val)
    bounds = {task: {part: asdict(b) for part, b in parts.items()} for task, parts in report.bounds.items()}
    write_whole(report.truth, json.dumps({"seed": seed, "rows": report.rows, "tasks": bounds}, indent=1) + "\n")
    return report


def gap_closed(auc: float | None, constant: float | None, oracle: float | None) -> float | None:
    """(auc - constant) / (oracle - constant): 0 is a guess per domain, 1 is knowing the truth.

    None where one of the three is undefined or the oracle is no better than the guess.

    Example:
        >>> gap_closed(0.75, 0.5, 1.0)
        0.5
    """
    if auc is None or constant is None or oracle is None or oracle <= constant:
        return None
    return (auc - constant) / (oracle - constant)


def _check(rows: int, domains: int, tasks: int, seed: int, val_fraction: float) -> None:
    if rows < 100:
        raise DataError(f"rows = {rows}: make at least 100")
    if not 1 <= domains <= MAX_DOMAINS:
        raise DataError(f"domains = {domains}: must lie in 1..{MAX_DOMAINS}")
    if not 1 <= tasks <= len(BASE_RATES):
        raise DataError(f"tasks = {tasks}: must lie in 1..{len(BASE_RATES)}; they are {list(BASE_RATES)}")
    if seed < 0:
        raise DataError(f"seed = {seed}: must be at least 0")
    if not 0 < val_fraction < 1:
        raise DataError(f"val_fraction = {val_fraction}: must lie in (0, 1)")


@dataclass(frozen=True, slots=True)
class _Users:
    table: pa.Table  # columns of USER_TYPES
    ids: IntArray  # [U]
    taste: FloatArray  # [U, K]
    generosity: FloatArray  # [U]


@dataclass(frozen=True, slots=True)
class _Videos:
    table: pa.Table  # columns of VIDEO_TYPES
    ids: IntArray  # [V]
    topics: FloatArray  # [V, K]
    quality: FloatArray  # [V]
    bait: FloatArray  # [V]
    seconds: FloatArray  # [V]


@dataclass(frozen=True, slots=True)
class _Shown:
    """One entry per impression, in time order."""

    user: IntArray  # row of _Users
    video: IntArray  # row of _Videos
    domain: IntArray
    day: IntArray  # 0 is the first
    ms_of_day: IntArray


def _make_users(rng: np.random.Generator, num_users: int) -> _Users:
    ids = rng.permutation(_USER_IDS)[:num_users]
    onehot = [_zipf_draw(rng, size, num_users) for size in _ONEHOT_SIZES]
    shown_taste = sum(rng.normal(size=(_ONEHOT_SIZES[k], _NUM_TOPICS))[onehot[k]] for k in _TASTE_FEATURES)
    taste = _standardised(shown_taste + 0.7 * rng.normal(size=(num_users, _NUM_TOPICS)))
    activity = _zipf_draw(rng, len(_USER_WORDS["user_active_degree"]), num_users)
    columns = {name: _draw_words(rng, words, num_users) for name, words in _USER_WORDS.items()}
    columns["user_active_degree"] = pa.array(_USER_WORDS["user_active_degree"]).take(pa.array(activity))
    columns |= {name: pa.array(rng.integers(0, 2, num_users)) for name in ("is_live_streamer", "is_video_author")}
    columns |= {f"onehot_feat{k}": pa.array(codes, pa.float64()) for k, codes in enumerate(onehot)}
    generosity = _standardised(rng.normal(size=num_users) - 0.3 * activity)
    return _Users(pa.table({"user_id": ids} | columns), ids, taste, generosity)


def _make_videos(rng: np.random.Generator, num_videos: int) -> _Videos:
    ids = rng.permutation(_VIDEO_IDS)[:num_videos]
    author = rng.integers(0, max(1, num_videos // 3), num_videos)  # three videos each, on average
    tag = _zipf_draw(rng, _NUM_TAGS, num_videos)
    by_tag, by_author = rng.normal(size=(_NUM_TAGS, _NUM_TOPICS)), rng.normal(size=(num_videos, _NUM_TOPICS + 2))
    noise = rng.normal(size=(num_videos, _NUM_TOPICS + 2))
    topics = _standardised(by_tag[tag] + 0.5 * by_author[author, 2:] + 0.5 * noise[:, 2:])
    quality, bait = _standardised(by_author[author, :2] + 0.8 * noise[:, :2]).T
    seconds = np.exp(rng.normal(3.7, 0.9, num_videos)).clip(3, 1200)
    table = pa.table(
        {
            "video_id": ids,
            "author_id": rng.choice(_AUTHOR_IDS, num_videos, replace=False)[author],
            "upload_dt": pa.array(_FIRST_DAY - rng.integers(1, 30, num_videos)),
            "server_width": np.full(num_videos, 720.0),
            "server_height": np.full(num_videos, 1280.0),
            "music_id": rng.integers(0, _MUSIC_IDS, num_videos),
            "tag": pa.array(tag).cast(pa.string()),
        }
        | {name: _draw_words(rng, words, num_videos) for name, words in _VIDEO_WORDS.items()}
    )
    return _Videos(table, ids, topics, quality, bait, seconds)


def _show(rng: np.random.Generator, users: _Users, videos: _Videos, rows: int, val_rows: int, domains: int) -> _Shown:
    """Pair users with videos: skewed on both sides, the last ones of each on validation days only."""
    train_rows = rows - val_rows
    day = np.sort(
        np.append(
            rng.integers(0, _TRAIN_DAYS, train_rows), rng.integers(_TRAIN_DAYS, _TRAIN_DAYS + _VAL_DAYS, val_rows)
        )
    )
    hour_ms = 3_600_000
    ms_of_day = rng.integers(0, 24 * hour_ms, rows)
    by_time = np.lexsort((ms_of_day, day))
    return _Shown(
        user=_draw_with_newcomers(rng, len(users.ids), _COLD_USERS, train_rows, val_rows),
        video=_draw_with_newcomers(rng, len(videos.ids), _COLD_VIDEOS, train_rows, val_rows),
        domain=_zipf_draw(rng, domains, rows),
        day=day,
        ms_of_day=ms_of_day[by_time],
    )


def _draw_with_newcomers(
    rng: np.random.Generator, size: int, cold_share: float, train_rows: int, val_rows: int
) -> IntArray:
    """Draw from all but `cold_share` of [0, size) for the training rows and from all of it for the others."""
    weight = 1 / (10 + np.arange(size)) ** 0.8
    is_cold = rng.random(size) < cold_share
    is_cold[0] = False
    return np.append(_draw(rng, weight * ~is_cold, train_rows), _draw(rng, weight, val_rows))


def _zipf_draw(rng: np.random.Generator, size: int, rows: int) -> IntArray:
    return _draw(rng, 1 / (1 + np.arange(size)), rows)


def _draw(rng: np.random.Generator, weight: FloatArray, rows: int) -> IntArray:
    bounds = np.cumsum(weight)
    drawn: IntArray = np.searchsorted(bounds, rng.random(rows) * bounds[-1], side="right")
    return drawn.clip(0, len(weight) - 1)


def _draw_words(rng: np.random.Generator, words: tuple[str, ...], rows: int) -> pa.Array:
    return pa.array(words).take(pa.array(_zipf_draw(rng, len(words), rows)))


def _standardised(values: FloatArray) -> FloatArray:
    standardised: FloatArray = (values - values.mean(axis=0)) / values.std(axis=0)
    return standardised


def _true_probabilities(
    rng: np.random.Generator, users: _Users, videos: _Videos, shown: _Shown, tasks: list[str]
) -> FloatArray:
    """Probability of each action on each row; the parts are described at the top. Shapes: -> float64 [T, N]."""
    num_domains = shown.domain.max() + 1
    topic_sign = np.ones((num_domains, _NUM_TOPICS))
    topic_sign[1:, _NUM_TOPICS // 2 :] = rng.choice([-1.0, 1.0], (num_domains - 1, _NUM_TOPICS - _NUM_TOPICS // 2))
    length_sign = np.where(np.arange(num_domains) % 2, -1.0, 1.0)
    length = _standardised(np.log(videos.seconds))
    match = users.taste[shown.user] * videos.topics[shown.video] * topic_sign[shown.domain]  # [N, K]
    prob = np.empty((len(tasks), len(shown.user)))
    for task, name in enumerate(tasks):
        generosity, quality, bait, length_weight, taste = _LOADINGS[name]
        topic_weight = np.append(np.ones(_NUM_TOPICS // 2), rng.choice([-1.0, 1.0], _NUM_TOPICS - _NUM_TOPICS // 2))
        log_odds = (
            (generosity * users.generosity)[shown.user]
            + (quality * videos.quality + bait * videos.bait)[shown.video]
            + length_weight * length[shown.video] * length_sign[shown.domain]
            + taste * (match @ topic_weight) / np.sqrt(_NUM_TOPICS)
        )
        odds_of_domain = np.exp(rng.normal(0, 0.6, num_domains))
        for domain in range(num_domains):
            here = shown.domain == domain
            rate = BASE_RATES[name] * odds_of_domain[domain]
            rate /= 1 - BASE_RATES[name] + rate  # shifted in log-odds, so it stays below 1
            prob[task, here] = _sigmoid(log_odds[here] + _intercept(log_odds[here], rate))
    return prob


def _intercept(log_odds: FloatArray, rate: float) -> float:
    """b with mean(sigmoid(log_odds + b)) = rate, by bisection on at most 20,000 rows."""
    sample = log_odds[:: max(1, len(log_odds) // 20_000)]
    low, high = -30.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(sample + middle).mean() < rate else (low, middle)
    return low


def _sigmoid(log_odds: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-log_odds))


def _log(shown: _Shown, users: _Users, videos: _Videos, happened: Mapping[str, npt.NDArray[np.int8]]) -> pa.Table:
    date = (_FIRST_DAY + shown.day).astype("datetime64[D]")
    yyyymmdd = pc.strftime(pa.array(date), "%Y%m%d").cast(pa.int32())
    nothing = np.zeros(len(shown.user), dtype=np.int8)
    day_ms, hour_ms = 86_400_000, 3_600_000
    return pa.table(
        {
            "user_id": users.ids[shown.user],
            "video_id": videos.ids[shown.video],
            "date": yyyymmdd,
            "hourmin": (shown.ms_of_day // hour_ms * 100).astype(np.int32),
            "time_ms": date.astype(np.int64) * day_ms + shown.ms_of_day,
            "duration_ms": (videos.seconds * 1000).astype(np.int64)[shown.video],
            "tab": shown.domain.astype(np.int8),
        }
        | {label: happened.get(action, nothing) for action, label in ACTIONS.items()}
    )


def _bounds(train: pa.Table, val: pa.Table, task: str) -> dict[str, Bounds]:
    """Bounds over all validation rows and over each domain's."""
    label, prob = np.asarray(val[ACTIONS[task]]), np.asarray(val[TRUE_PROB + task])
    domain = np.asarray(val["tab"])
    share = np.zeros(MAX_DOMAINS)
    train_domain, train_label = np.asarray(train["tab"]), np.asarray(train[ACTIONS[task]])
    for d in np.unique(train_domain):
        share[d] = train_label[train_domain == d].mean()
    parts = {"all": np.ones(len(label), dtype=bool)} | {str(d): domain == d for d in np.unique(domain)}
    return {
        part: Bounds(
            rows=int(here.sum()),
            positives=int(label[here].sum()),
            constant_auc=_auc(share[domain[here]], label[here]),
            oracle_auc=_auc(prob[here], label[here]),
        )
        for part, here in parts.items()
    }


def _auc(score: FloatArray, label: npt.NDArray[np.int8]) -> float | None:
    """Chance that a positive outranks a negative, ties one half. This room does not import `metrics`."""
    positives = int(label.sum())
    if positives in (0, len(label)):
        return None
    _, level, rows = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(rows) - (rows - 1) / 2  # of the tied scores, counted from 1
    above = mean_rank[level][label == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(label) - positives)))
