"""TrackEval's own metric classes on a data set of ours, one set of tracks per sequence and class."""

from __future__ import annotations

from collections.abc import Sequence

import metric_corpus
import numpy as np
import pytest

from vis_bench.masks import rle
from vis_bench.types import Dataset, Track


def per_class(metric: str, made: Dataset, tracks: Sequence[Track], aware: bool, above: float) -> tuple:
    """The metric object, and its results combined over the videos by class (`all` where classes are
    ignored)."""
    trackeval = pytest.importorskip("trackeval", reason="TrackEval is not installed")
    judge = getattr(trackeval.metrics, metric)(*([] if metric == "HOTA" else [{"PRINT_CONFIG": False}]))
    results = {}
    for category in [category.id for category in made.categories] if aware else ["all"]:
        sequences = {
            str(video.id): judge.eval_sequence(sequence(made, tracks, video.id, category, above))
            for video in made.videos
        }
        results[str(category)] = judge.combine_sequences(sequences)
    return judge, results


def sequence(made: Dataset, tracks: Sequence[Track], video: int, category: int | str, above: float) -> dict:
    """The data of one sequence; tracks that are nowhere are left out, as TrackEval's readers do."""

    def wanted(one) -> bool:
        return category == "all" or one.category_id == category

    truth = [one for one in made.tracks_by_video[video] if wanted(one)]
    found = [one for one in tracks if one.video_id == video and wanted(one) and one.score > above]
    truth = [one for one in map(metric_corpus.without_empty, truth) if any(one.segmentations)]
    found = [one for one in map(metric_corpus.without_empty, found) if any(one.segmentations)]
    data: dict = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for t in range(made.video_by_id[video].length):
        g = [i for i, one in enumerate(truth) if one.segmentations[t]]
        d = [i for i, one in enumerate(found) if one.segmentations[t]]
        data["gt_ids"].append(np.array(g, dtype=int))
        data["tracker_ids"].append(np.array(d, dtype=int))
        iou = [[_iou(truth[i].segmentations[t], found[j].segmentations[t]) for j in d] for i in g]
        data["similarity_scores"].append(np.array(iou, dtype=float).reshape(len(g), len(d)))
    data["num_gt_ids"], data["num_tracker_ids"] = len(truth), len(found)
    data["num_gt_dets"] = sum(len(ids) for ids in data["gt_ids"])
    data["num_tracker_dets"] = sum(len(ids) for ids in data["tracker_ids"])
    data["num_timesteps"] = made.video_by_id[video].length
    return data


def _iou(first: dict, second: dict) -> float:
    a, b = rle.decode(first), rle.decode(second)
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0
