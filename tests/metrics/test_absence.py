"""Null, [], {} and a mask without a pixel mean the same in every metric, in truth and predictions."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import metric_corpus
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

import vis_bench
from vis_bench.masks.rle import has_pixels
from vis_bench.scoring import evaluate as scoring
from vis_bench.scoring.explain import explain_tracks
from vis_bench.scoring.metric_names import METRICS

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
EMPTY = np.zeros(SIZE, dtype=bool)
ALL_BUT_OFFICIAL = [name for name in METRICS if name != "frame_ap_official"]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_empty_masks_score_as_null(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    # boxes without a single mask are truth of boxes, which is refused
    assume(any(has_pixels(mask) for track in made.tracks or () for mask in track.segmentations))
    nulled = replace(made, tracks=tuple(map(metric_corpus.without_empty, made.tracks or ())))
    found = list(map(metric_corpus.without_empty, tracks))
    assert scoring.evaluate(made, tracks, ALL_BUT_OFFICIAL) == scoring.evaluate(
        nulled, found, ALL_BUT_OFFICIAL
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_empty_masks_are_explained_as_null(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    # boxes without a single mask are truth of boxes, which is refused
    assume(any(has_pixels(mask) for track in made.tracks or () for mask in track.segmentations))
    nulled = replace(made, tracks=tuple(map(metric_corpus.without_empty, made.tracks or ())))
    found = list(map(metric_corpus.without_empty, tracks))
    assert explain_tracks(made, tracks, replicates=10) == explain_tracks(nulled, found, replicates=10)


def test_the_probes_that_write_absence_in_two_ways_are_equal() -> None:
    if "VIS_BENCH_FIXTURES" not in os.environ:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    folder = Path(os.environ["VIS_BENCH_FIXTURES"]) / "metrics"
    null, empty = (
        vis_bench.evaluate(folder / f"probe_{name}.json", folder / "probe_gt.json", metrics=ALL_BUT_OFFICIAL)
        for name in ("null", "empty")
    )
    assert null == empty


def test_files_may_write_absence_as_an_empty_list_or_object(tmp_path: Path) -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT, None, None])], {1: 3}, SIZE)
    mask = {"size": list(SIZE), "counts": made.tracks[0].segmentations[0]["counts"].decode()}

    def content(absent: list, path: str) -> Path:
        video = {
            "id": 1,
            "width": SIZE[1],
            "height": SIZE[0],
            "file_names": ["v/0.jpg", "v/1.jpg", "v/2.jpg"],
        }
        one = {"id": 1, "video_id": 1, "category_id": 1, "segmentations": [mask, *absent]}
        truth = {"videos": [video], "categories": [{"id": 1, "name": "c"}], "annotations": [one]}
        (tmp_path / f"{path}_truth.json").write_text(json.dumps(truth))
        (tmp_path / f"{path}.json").write_text(json.dumps([{**one, "score": 0.9}]))
        return tmp_path / path

    plain, other = content([None, None], "plain"), content([[], {}], "other")
    for path in (plain, other):
        result = vis_bench.evaluate(f"{path}.json", f"{plain}_truth.json")
        assert result == vis_bench.evaluate(f"{plain}.json", f"{path}_truth.json")
        assert result["video_ap"]["AP"] == pytest.approx(1.0)
        assert result["frame_ap"]["AP"] == pytest.approx(1.0)


def test_only_the_official_count_of_frame_ap_sees_empty_masks() -> None:
    """An empty mask of score 0.9 before a right one of 0.8: precision 1/2 for whoever counts it."""
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    result = scoring.evaluate(made, [track([EMPTY], 0.9), track([LEFT], 0.8)], METRICS)
    assert result["frame_ap"]["AP"] == pytest.approx(1.0)
    assert result["frame_ap_official"]["AP"] == pytest.approx(0.5)
    assert result["hota"]["class_aware"]["all"]["DetA"] == pytest.approx(1.0)
    assert result["video_ap"]["AP"] == pytest.approx(0.5)  # its track is a wrong one


def test_a_track_of_empty_masks_brings_its_boxes_to_mot_like_one_of_null() -> None:
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    for absent in (None, EMPTY):
        boxed = replace(track([absent], 0.9), boxes=((0.0, 0.0, 10.0, 10.0),))
        assert scoring.evaluate(made, [boxed], ["mot"])["mot"]["class_aware"]["0.3"]["MOTA"] == 1.0
