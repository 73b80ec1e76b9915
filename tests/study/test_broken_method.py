"""A trained method against its own detections under a broken association rule: the verdict says better."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vis_bench.data import catalog, splits
from vis_bench.data.frame_predictions import FramePredictions
from vis_bench.data.predictions import read_results
from vis_bench.masks.rle import tight_box
from vis_bench.method import RawDetections
from vis_bench.scoring.evaluate import measure
from vis_bench.scoring.reassociate import Rule, reassociate
from vis_bench.setup.config import override
from vis_bench.setup.plugins import load_spec
from vis_bench.study.comparison import compare_all, resample_videos, score_runs
from vis_bench.types import Dataset, Track, Video

RUNS = sorted((Path(__file__).parents[2] / "results" / "shapes-quick").glob("stc@quick-seed-*"))
VIDEOS = 12
AP = ("video_ap", "AP")


def detections(dataset: Dataset, tracks: list[Track], video: Video, frame: int) -> RawDetections:
    """What the tracks show in one frame, their identities forgotten."""
    labels = {category.id: label for label, category in enumerate(dataset.categories)}
    pairs = [(track, track.segmentations[frame]) for track in tracks if track.video_id == video.id]
    seen = [(track, mask) for track, mask in pairs if mask is not None]
    boxes = [tight_box(mask) for _, mask in seen]
    return RawDetections(
        scores=np.array([track.score for track, _ in seen]),
        labels=np.array([labels[track.category_id] for track, _ in seen], dtype=np.int64),
        boxes=np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=float).reshape(-1, 4),
        embeddings=np.zeros((len(seen), 0)),
        segmentations=tuple(mask for _, mask in seen),
    )


def test_a_method_is_better_than_itself_with_a_rule_that_avoids_overlap() -> None:
    """Three trained seeds; the broken rule follows an object to where it is not."""
    whole = catalog.open_dataset("shapes", "test")
    dataset = splits.first_videos(whole, VIDEOS)
    spec = load_spec("stc")
    values = {"association.iou_weight": -50.0, "association.label_weight": 0.0}
    broken_rule = Rule("stc", spec, override(spec.configs["tiny"], values))
    own, broken = [], []
    for run in RUNS:
        tracks = read_results(run / "predictions.json.gz", whole)
        tracks = [track for track in tracks if track.video_id in dataset.video_by_id]
        frames = {
            video.id: tuple(detections(dataset, tracks, video, t) for t in range(video.length))
            for video in dataset.videos
        }
        again = reassociate(broken_rule, FramePredictions("segm", frames), dataset)
        own.append(measure(dataset, tracks, ["ap"], "segm"))
        broken.append(measure(dataset, again, ["ap"], "segm"))
    assert len(RUNS) == 3
    resamples = resample_videos(own[0], AP)
    scores = [score_runs(name, found, AP, resamples) for name, found in (("stc", own), ("broken", broken))]
    (forward,), (backward,) = compare_all(scores), compare_all(scores[::-1])
    assert (forward.verdict, backward.verdict) == ("better", "worse")
    assert forward.probability == 1.0
    assert forward.difference.low > 5
