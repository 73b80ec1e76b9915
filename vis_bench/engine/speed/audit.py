"""Audits: is what was timed what is scored, and does seeing a video again make it faster?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.engine.speed.material import first_frames, in_memory, one_per_shape
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.engine.speed.scenario import seeded
from vis_bench.method import MethodInfo
from vis_bench.records.speed import Audit
from vis_bench.types import Dataset, Video

REPEATED_FASTER_MAX = 0.10
# (videos, frames of each) that are shown again and again, in a full and in a short measurement
_AUDITED = (8, 8)
_AUDITED_SHORT = (2, 4)
_AGAIN = 3


def same_predictions(timed: Sequence[Mapping[str, Sequence[str]]], scored: Mapping[str, str]) -> Audit:
    """Whether every timed pass gave the tracks of the scored run.

    timed: digests by video of each repeat, several where one video came out differently. scored: digest by
    video from `vis_bench.engine.track.track_video`.
    """
    name = "timed run predicts what is scored"
    pairs = [(video, digests) for repeat in timed for video, digests in repeat.items()]
    wrong = sorted({video for video, digests in pairs if list(digests) != [scored.get(video)]})
    if not pairs:
        return Audit(name=name, ok=None, detail="nothing was timed")
    # repeats that end by time may not reach every video
    compared = len({video for video, _ in pairs})
    if wrong:
        return Audit(
            name=name,
            ok=False,
            detail=f"{len(wrong)} of {compared} videos differ (first: id {wrong[0].partition(':')[0]})",
        )
    return Audit(name=name, ok=True, detail=f"{compared} videos identical in {len(timed)} passes")


def audited_frames(dataset: Dataset, short: bool) -> int:
    """How many frames `repeated_video` shows."""
    return (1 + _AGAIN) * sum(video.length for video in _audited_videos(dataset, short))


def _audited_videos(dataset: Dataset, short: bool) -> list[Video]:
    videos, frames = _AUDITED_SHORT if short else _AUDITED
    return [first_frames(video, frames) for video in dataset.videos[:videos]]


def repeated_video(
    model: Any, info: MethodInfo, dataset: Dataset, place: Place, short: bool = False
) -> Audit:
    """Each of a few videos several times in a row, against the first time that the method sees it.

    Same content and shape, so that only memory of the video can make it faster. The model must not have been
    shown a video of `dataset` before. Time in which other programs had the processor does not count.
    """
    cut = _audited_videos(dataset, short)
    for video in one_per_shape(cut, info.online):
        shown = in_memory(dataset, video, mirrored=True, pinned=place.pinned)
        drive(model, dataset, video, place, info.iou_type, shown)
    ratios = []
    for video in cut:
        frames = in_memory(dataset, video, pinned=place.pinned)
        seconds = []
        for _ in range(1 + _AGAIN):
            seeded(video)
            passage = drive(model, dataset, video, place, info.iou_type, frames)
            seconds.append(passage.wall_seconds - (passage.queue_seconds or 0.0))
        ratios.append(statistics.median(seconds[1:]) / seconds[0])
    ratio = statistics.median(ratios)
    return Audit(
        name="a repeated video is not faster",
        ok=ratio >= 1 - REPEATED_FASTER_MAX,
        detail=f"takes {ratio:.0%} of the time of the first showing (median of {len(ratios)} videos)",
    )
