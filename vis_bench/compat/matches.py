"""What the official evaluator keeps of every video and category: `ious` and `evalImgs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vis_bench.metrics.matching import Group, partners

NO_CATEGORY = -1
"""Stands for all categories where they are left aside."""


@dataclass(frozen=True, slots=True)
class MatchedSet:
    """The tracks of one category of a video. truth_ids: [g] ids of annotations, in the order of `group`.

    track_ids: [d] ids of predictions, best score first.
    """

    group: Group
    truth_ids: Sequence[int]
    track_ids: Sequence[int]


Sets = Mapping[tuple[int, int], MatchedSet]
"""By video and category id; of pairs without truth and predictions there is none."""


def track_ious(sets: Sets, videos: Sequence[int], categories: Sequence[int]) -> dict[tuple[int, int], Any]:
    """IoU of whole tracks by video and category: [d, g] float64, an empty list where there is nothing.

    Source: youtubevos/cocoapi, `YTVOSeval.computeIoU`.
    """
    pairs = [(video, category) for video in videos for category in categories]
    return {pair: sets[pair].group.iou if pair in sets else [] for pair in pairs}


def matches_of_videos(
    sets: Sets,
    videos: Sequence[int],
    categories: Sequence[int],
    areas: Sequence[Sequence[float]],
    most: int,
    thresholds: np.ndarray,
) -> list[dict[str, Any] | None]:
    """One dictionary for each category, area range and video, in this order; None where there is nothing.

    dtIds, gtIds, dtScores: lists. dtMatches [T, d], gtMatches [T, g]: the id of the other, 0 for none.
    gtIgnore: [g] 0 or 1, dtIgnore: [T, d] bool. Truth that is ignored comes last.
    Source: youtubevos/cocoapi, `YTVOSeval.evaluateVid`.
    """
    taken = {pair: partners(one.group, thresholds) for pair, one in sets.items()}
    return [
        _one_video(sets[video, category], taken[video, category], video, category, a, area, most)
        if (video, category) in sets
        else None
        for category in categories
        for a, area in enumerate(areas)
        for video in videos
    ]


def _one_video(
    matched: MatchedSet,
    taken: np.ndarray,
    video: int,
    category: int,
    a: int,
    area: Sequence[float],
    most: int,
) -> dict[str, Any]:
    group, partner = matched.group, taken[a]
    ignored = group.truth_ignored[a].astype(np.int64)
    order = np.argsort(ignored, kind="stable")
    truth_ids, track_ids = np.array(matched.truth_ids, dtype=float), np.array(matched.track_ids, dtype=float)
    levels, tracks = partner.shape
    of_tracks, of_truth = np.zeros((levels, tracks)), np.zeros((levels, len(truth_ids)))
    to_ignored = np.zeros((levels, tracks), dtype=bool)
    for t, d in zip(*np.nonzero(partner >= 0), strict=True):  # in order: a crowd names its last match
        g = partner[t, d]
        of_tracks[t, d], of_truth[t, g] = truth_ids[g], track_ids[d]
        to_ignored[t, d] = ignored[g] == 1
    return {
        "video_id": video,
        "category_id": category,
        "aRng": area,
        "maxDet": most,
        "dtIds": list(matched.track_ids),
        "gtIds": [matched.truth_ids[g] for g in order.tolist()],
        "dtMatches": of_tracks,
        "gtMatches": of_truth[:, order],
        "dtScores": group.scores.tolist(),
        "gtIgnore": ignored[order],
        "dtIgnore": to_ignored | ((partner < 0) & group.outside[a]),
    }
