"""Frame AP equals pycocotools' COCOeval on the masks of single frames, once empty ones are counted as
there."""

from __future__ import annotations

import contextlib
import io

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vis_bench.masks import rle
from vis_bench.metrics import average_precision as ap
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, Track

SIZE = (20, 40)


@pytest.mark.parametrize("name", ["small", pytest.param("medium", marks=pytest.mark.slow)])
def test_equals_pycocotools_on_the_corpora(name: str) -> None:
    corpus = metric_corpus.load(name)
    _compare(corpus.dataset, corpus.tracks)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_pycocotools_on_random_corpora(seed: int) -> None:
    _compare(*metric_corpus.random_corpus(np.random.default_rng(seed)))


def test_identities_do_not_matter() -> None:
    """One object of 4 frames found by two tracks of 2 frames: right in every frame, half right as a track."""
    mask = metric_corpus.rectangle(SIZE, 0, 0, 10, 10)
    made = metric_corpus.dataset([metric_corpus.truth_track(1, [mask] * 4)], {1: 4}, SIZE)
    tracks = [
        metric_corpus.track([mask, mask, None, None], 0.9),
        metric_corpus.track([None, None, mask, mask], 0.8),
    ]
    result = scoring.evaluate(made, tracks, ["ap", "frame_ap"])
    assert result["frame_ap"]["AP"] == pytest.approx(1.0)
    assert result["video_ap"]["AP"] == pytest.approx(0.1)


def _compare(made: Dataset, tracks: tuple[Track, ...] | list[Track]) -> None:
    expected = _cocoeval(made, tracks)
    statistics = scoring.measure(made, tracks, ["frame_ap_official"]).frame_ap_official
    precision, _ = ap.precision_recall(statistics, [100])
    np.testing.assert_array_equal(precision, expected)
    score = scoring.evaluate(made, tracks, ["frame_ap_official"])["frame_ap_official"]
    for name, part in (("AP", expected), ("AP50", expected[:1])):
        defined = part[part > -1]
        if defined.size:
            assert score[name] == pytest.approx(defined.mean(), rel=0, abs=1e-12)
        else:
            assert score[name] is None


def _cocoeval(made: Dataset, tracks: tuple[Track, ...] | list[Track]) -> np.ndarray:
    """Precision [T, 101, K, 1, 1] of COCOeval; every frame is an image, by video id and frame."""
    image = {}
    for video in sorted(made.videos, key=lambda video: video.id):
        for t in range(video.length):
            image[video.id, t] = len(image) + 1
    masks = [
        {
            "id": 0,
            "image_id": image[track.video_id, t],
            "category_id": track.category_id,
            "iscrowd": int(getattr(track, "is_crowd", False)),
            "area": rle.area(segmentation),
            "bbox": list(rle.tight_box(segmentation)),
            "segmentation": segmentation,
            "score": getattr(track, "score", None),
        }
        for track in (*(made.tracks or ()), *tracks)
        for t, segmentation in enumerate(track.segmentations)
        if segmentation is not None
    ]
    images = [
        {"id": i, "width": made.videos[0].width, "height": made.videos[0].height} for i in image.values()
    ]
    categories = [{"id": category.id} for category in made.categories]
    sides = []
    for wanted in (False, True):
        chosen = [dict(mask) for mask in masks if (mask["score"] is not None) == wanted]
        for i, mask in enumerate(chosen):
            mask["id"] = i + 1
        side = COCO()
        side.dataset = {"images": images, "categories": categories, "annotations": chosen}
        with contextlib.redirect_stdout(io.StringIO()):
            side.createIndex()
        sides.append(side)
    judge = COCOeval(*sides, "segm")
    judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [[0, 1e10]], ["all"], [100]
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"]
