"""Rows for training from three tables in KuaiRand's layout: log, users, videos.

The real archive and the made-up one both pass through `trainable_rows`, so they have the same columns by construction.

Columns (ids are small integers unless said otherwise; null means "not known"):

- keys: `user_id`, `video_id`, `author_id`, `music_id`, `tab` (the domain), `date` (yyyymmdd), `time_ms`
- labels: `is_click`, `long_view`, `is_like`, `is_follow`, `is_comment`, `is_forward`, `is_hate`
- moment: `hour` (0-23), `weekday` (0 is Monday)
- user: `user_active_degree` and `*_range` (strings), `is_live_streamer`, `is_video_author`, `onehot_feat0` .. `17`
- video: `video_type`, `upload_type`, `video_size` (strings), `tag` (list of ids), `duration` and `video_age`
  (`count_bucket` of seconds and of days)
- statistics of the days strictly before `date`, for each KEY of `STATISTICS`: `KEY_exposures` and `KEY_days_since`
  (`count_bucket`), and `KEY_click`, `KEY_long_view`, ... (`lift_bucket` of the smoothed rate of the action)

What happens after the impression (play time, stay times, profile visits) is in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.datasets.statistics import EarlierDays, FloatArray, IntArray, count_bucket, lift_bucket, smoothed_rate

ACTIONS = {  # short name, as in statistics and towers -> label column of the log
    "click": "is_click",
    "long_view": "long_view",
    "like": "is_like",
    "follow": "is_follow",
    "comment": "is_comment",
    "forward": "is_forward",
    "hate": "is_hate",
}
STATISTICS: dict[str, tuple[str, ...]] = {  # name -> columns that rows must share to be counted together
    "user": ("user_id",),
    "video": ("video_id",),
    "author": ("author_id",),
    "user_tab": ("user_id", "tab"),
    "video_tab": ("video_id", "tab"),
}

LOG_TYPES = {
    "user_id": pa.int64(),
    "video_id": pa.int64(),
    "date": pa.int32(),
    "hourmin": pa.int32(),
    "time_ms": pa.int64(),
    "duration_ms": pa.int64(),
    "tab": pa.int8(),
    **dict.fromkeys(ACTIONS.values(), pa.int8()),
}
USER_TYPES = {
    "user_id": pa.int64(),
    "user_active_degree": pa.string(),
    "is_live_streamer": pa.int64(),
    "is_video_author": pa.int64(),
    "follow_user_num_range": pa.string(),
    "fans_user_num_range": pa.string(),
    "friend_user_num_range": pa.string(),
    "register_days_range": pa.string(),
    **{f"onehot_feat{k}": pa.float64() for k in range(18)},  # some are written as "1.0"
}
VIDEO_TYPES = {
    "video_id": pa.int64(),
    "author_id": pa.int64(),
    "video_type": pa.string(),
    "upload_dt": pa.date32(),
    "upload_type": pa.string(),
    "server_width": pa.float64(),
    "server_height": pa.float64(),
    "music_id": pa.int64(),
    "tag": pa.string(),
}

_PRIOR_EXPOSURES = 20.0  # rows that an entity must have for its own rate to weigh as much as the prior


def trainable_rows(log: pa.Table, users: pa.Table, videos: pa.Table) -> pa.Table:
    """Join the tables and add the statistics of earlier days; rows keep the log's order.

    Args:
        log, users, videos: as `joined_rows` takes them.
    """
    rows = joined_rows(log, users, videos)
    return pa.table({name: rows[name] for name in rows.column_names} | _statistics(rows, _day_number(log["date"])))


def joined_rows(log: pa.Table, users: pa.Table, videos: pa.Table) -> pa.Table:
    """Join the tables: every column but the statistics; rows keep the log's order.

    Args:
        log, users, videos: tables with (at least) the columns of LOG_TYPES, USER_TYPES and VIDEO_TYPES.
            A user or video without a row of its own has null features.
    """
    day = _day_number(log["date"])
    of_user = _looked_up(_user_features(users), log["user_id"])
    of_video = _looked_up(_video_features(videos), log["video_id"])
    columns = {name: log[name] for name in ("user_id", "video_id", "tab", "date", "time_ms", *ACTIONS.values())}
    columns |= {"hour": pc.divide(log["hourmin"], 100).cast(pa.int8()), "weekday": pa.array((day + 3) % 7, pa.int8())}
    columns |= {name: of_user[name] for name in of_user.column_names[1:]}
    columns |= {name: of_video[name] for name in of_video.column_names[1:] if name != "upload_dt"}
    columns["duration"] = pa.array(count_bucket(np.asarray(log["duration_ms"]) / 1000))
    columns["video_age"] = _video_age(of_video["upload_dt"], day)
    return pa.table(columns)


def _user_features(users: pa.Table) -> pa.Table:
    """Columns of USER_TYPES, key first, numbers as int16."""
    numbers = {name: users[name].cast(pa.int16()) for name, kind in USER_TYPES.items() if kind != pa.string()}
    return pa.table({name: users[name] for name in USER_TYPES} | numbers | {"user_id": users["user_id"]})


def _video_features(videos: pa.Table) -> pa.Table:
    """Key first, then what is a feature as it stands, then `upload_dt`."""
    size = (videos[name].cast(pa.int32()).cast(pa.string()) for name in ("server_width", "server_height"))
    music = videos["music_id"]
    columns = {name: videos[name] for name in ("video_id", "author_id", "video_type", "upload_type", "upload_dt")}
    return pa.table(
        columns
        | {
            "music_id": pc.if_else(pc.equal(music, 0), pa.scalar(None, music.type), music),
            "tag": pc.split_pattern(videos["tag"], ",").cast(pa.list_(pa.int32())),
            "video_size": pc.binary_join_element_wise(*size, "x"),
        }
    )


def _looked_up(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """Row of `table` for each id, found by its first column; an id that is not there gives nulls."""
    return table.take(pc.index_in(ids, value_set=table.column(0).combine_chunks()))


def _video_age(upload_date: pa.ChunkedArray, day: IntArray) -> pa.Array:
    uploaded = np.asarray(upload_date.cast(pa.int32()).fill_null(0), dtype=np.int64)
    return pa.array(count_bucket(day - uploaded), mask=np.asarray(upload_date.is_null()))


def _day_number(date: pa.ChunkedArray) -> IntArray:
    """Days since 1970-01-01 of dates written as yyyymmdd. Shapes: int [N] -> int64 [N]."""
    yyyymmdd = np.asarray(date, dtype=np.int64)
    month = np.datetime64("1970-01", "M") + (yyyymmdd // 10000 - 1970) * 12 + yyyymmdd // 100 % 100 - 1
    return month.astype("datetime64[D]").astype(np.int64) + yyyymmdd % 100 - 1


def _statistics(rows: pa.Table, day: IntArray) -> dict[str, npt.NDArray[np.uint8]]:
    """Columns `KEY_exposures`, `KEY_days_since` and `KEY_<action>` of every KEY in STATISTICS."""
    happened = {action: np.asarray(rows[label], dtype=np.int64) for action, label in ACTIONS.items()}
    everywhere = _rates(EarlierDays(np.zeros_like(day), day), happened, dict.fromkeys(ACTIONS, 0.5), strength=1.0)
    in_tab = _rates(EarlierDays(_key(rows, ("tab",)), day), happened, everywhere, _PRIOR_EXPOSURES)
    columns: dict[str, npt.NDArray[np.uint8]] = {}
    for name, key_columns in STATISTICS.items():
        earlier = EarlierDays(_key(rows, key_columns), day)
        exposures = earlier.total(np.ones_like(day))
        prior = in_tab if "tab" in key_columns else everywhere
        columns[f"{name}_exposures"] = count_bucket(exposures)
        columns[f"{name}_days_since"] = count_bucket(earlier.days_since())
        for action, rate in _rates(earlier, happened, prior, _PRIOR_EXPOSURES).items():
            columns[f"{name}_{action}"] = lift_bucket(rate, prior[action], exposures)
    return columns


def _rates(
    earlier: EarlierDays, happened: Mapping[str, IntArray], prior: Mapping[str, FloatArray | float], strength: float
) -> dict[str, FloatArray]:
    """Smoothed rate of every action over the earlier days of each row's key. Shapes: {action: [N]}."""
    exposures = earlier.total(np.ones_like(next(iter(happened.values()))))
    return {
        action: smoothed_rate(earlier.total(label), exposures, prior[action], strength)
        for action, label in happened.items()
    }


def _key(rows: pa.Table, columns: Sequence[str]) -> IntArray:
    """One number per distinct combination of the columns' values; null is a value. Shapes: -> int64 [N]."""
    key = np.zeros(rows.num_rows, dtype=np.int64)
    for column in columns:
        codes = rows[column].combine_chunks().dictionary_encode(null_encoding="encode").indices
        key = key * (pc.max(codes).as_py() or 0) + key + np.asarray(codes, dtype=np.int64)
    return key
