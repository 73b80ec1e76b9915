"""Why a method scores what it scores: oracles, errors, slices, costly videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vis_bench.metrics import best_masks, decomposition
from vis_bench.metrics.oracles import with_truth_association, with_truth_masks
from vis_bench.metrics.slices import REPLICATES, slice_values, video_slices
from vis_bench.scoring.evaluate import (
    count_best_masks,
    decompose,
    evaluate,
    measure,
    score,
    video_costs,
)
from vis_bench.scoring.statistics import ERROR_SETTING, Statistics, reduce
from vis_bench.types import Dataset, IouType, Track

ORACLES = ("as predicted", "truth association", "truth masks", "both")


def explain_tracks(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType = "segm", replicates: int = REPLICATES
) -> dict[str, Any]:
    """Everything that says why, as nested dictionaries ready for JSON.

    oracles: AP and AP50 by entry of ORACLES. best_masks: truth_masks (a count), recall_50, recall_75 and
    right_class of the best mask on each object and frame, whatever its class and score. decomposition: by
    `AP` and `AP50` the gain of each repair, `AP` being the score itself. errors: counts and rates of temporal
    errors, class-agnostic, score > 0.3. slices: list of property, name, videos, tracks, small (too few
    videos), AP and its 95 % interval low, high. costly_videos: list of video id, name and cost (AP without
    the video minus AP), largest first, cost > 0. Fractions; None where undefined. replicates: of the
    bootstrap behind the intervals.

    Raises as `vis_bench.scoring.evaluate.evaluate`.
    """
    statistics = measure(dataset, tracks, ("video_ap", "errors"), iou_type, label="scoring")
    result = score(statistics)
    linked = with_truth_association(dataset, tracks, iou_type)
    changed = (
        linked,
        with_truth_masks(dataset, tracks, iou_type),
        with_truth_masks(dataset, linked, iou_type),
    )
    oracles = [result["video_ap"]]
    oracles += [
        evaluate(dataset, found, ("video_ap",), iou_type, label="oracles")["video_ap"] for found in changed
    ]
    names = {video.id: video.name for video in dataset.videos}
    mode, above = ERROR_SETTING
    return {
        "oracles": {
            name: {key: ap[key] for key in ("AP", "AP50")} for name, ap in zip(ORACLES, oracles, strict=True)
        },
        "best_masks": _best_masks(dataset, tracks, iou_type),
        "decomposition": _decomposition(dataset, tracks, iou_type),
        "errors": result["errors"][mode][above],
        "slices": _slices(dataset, statistics, replicates),
        "costly_videos": costly_videos(statistics, names),
    }


def costly_videos(statistics: Statistics, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Videos with a cost above 0 (see `video_costs`), largest first: video id, name, cost."""
    costs = sorted(video_costs(statistics).items(), key=lambda item: (-item[1], item[0]))
    return [{"video": video, "name": names[video], "cost": cost} for video, cost in costs if cost > 0]


def _best_masks(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType
) -> dict[str, float | int | None]:
    counts = count_best_masks(dataset, tracks, iou_type)
    shares = _plain(best_masks.reduce(counts, np.ones((1, len(counts)))))
    return {"truth_masks": int(counts[:, 0].sum()), **shares}


def _decomposition(
    dataset: Dataset, tracks: Sequence[Track], iou_type: IouType
) -> dict[str, dict[str, float | None]]:
    statistics = decompose(dataset, tracks, iou_type)
    ones = np.ones((1, len(dataset.videos)))
    return {
        name: _plain(decomposition.reduce(statistics, ones, level))
        for name, level in (("AP", None), ("AP50", 0))
    }


def _plain(values: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    return {name: _number(value[0]) for name, value in values.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _slices(dataset: Dataset, statistics: Statistics, replicates: int) -> list[dict[str, Any]]:
    slices = video_slices(dataset)
    key = ("video_ap", "AP")
    found = slice_values(lambda weights: {key: reduce(statistics, weights)[key]}, slices, replicates)[key]
    return [
        {
            "property": one.property,
            "name": one.name,
            "videos": one.videos,
            "tracks": one.tracks,
            "small": one.small,
            "AP": _number(found.value[s]),
            "low": _number(found.low[s]),
            "high": _number(found.high[s]),
        }
        for s, one in enumerate(slices.slices)
    ]
