"""A tiny archive in KuaiRand's official layout, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LOG_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)
USER_HEADER = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,follow_user_num,"
    "follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,friend_user_num_range,register_days,"
    "register_days_range," + ",".join(f"onehot_feat{k}" for k in range(18))
)
VIDEO_HEADER = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
    "music_id,music_type,tag"
)
USERS = (
    '0,full_active,0,1,1,514,500+,150,"[100,1k)",34,"[30,60)",799,730+,1,1,29,949,1.0,0,0,14,135,6,3,0,0.0,1.0,0,0,0,0',
    '1,UNKNOWN,0,-124,0,8,"(0,10]",26,"[10,100)",3,"[1,5)",231,181-365,1,0,2,1176,,0,0,31,275,5,2,2,,,,,,',
)
VIDEOS = (
    '0,7349781,NORMAL,2022-04-24,LongImport,0.0,87433.0,720.0,1280.0,9155697141,9.0,"39,68"',
    "1,2103883,AD,2022-04-09,UNKNOWN,0.0,,1080.0,720.0,0,,",
)


class Impression(NamedTuple):
    """The columns of the log that tests care about."""

    user: int
    video: int
    date: int
    click: int = 0
    tab: int = 1
    time_ms: int = 0


def write_archive(
    root: Path,
    impressions: Sequence[Impression],
    *,
    users: Sequence[str] = USERS,
    videos: Sequence[str] = VIDEOS,
    logs: int = 1,
    suffix: str = "pure",
) -> Path:
    """Write the impressions into `logs` log files, beside a user and a video file, under `root/data`."""
    data = root / "data"
    data.mkdir(parents=True)
    lines = [
        f"{i.user},{i.video},{i.date},2000,{i.time_ms},{i.click},0,0,0,0,0,0,999,16000,7,7,1,0,{i.tab}"
        for i in impressions
    ]
    for k in range(logs):
        _write(data / f"log_standard_{k}_{suffix}.csv", LOG_HEADER, lines[k::logs])
    _write(data / f"user_features_{suffix}.csv", USER_HEADER, users)
    _write(data / f"video_features_basic_{suffix}.csv", VIDEO_HEADER, videos)
    return root


def _write(path: Path, header: str, lines: Sequence[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
