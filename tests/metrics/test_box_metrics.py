"""Scoring of box sequences: by hand, against pycocotools' box IoU, and against the same boxes as masks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, truth_track
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vis_bench.errors import DataError
from vis_bench.metrics import average_precision as ap
from vis_bench.metrics.overlap import frame_iou, sequence_iou, video_overlap
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Box, Dataset, Track, TruthTrack

SIZE = (40, 40)


def box_truth(
    identity: int, boxes: Sequence[Box | None], crowd: bool = False, category: int = 1
) -> TruthTrack:
    """An object of a data set that annotates boxes and no masks."""
    nothing = (None,) * len(boxes)
    return TruthTrack(identity, 1, category, crowd, nothing, tuple(boxes), nothing)


def box_track(boxes: Sequence[Box | None], score: float, category: int = 1) -> Track:
    return Track(1, category, score, (None,) * len(boxes), tuple(boxes))


def score(truth: Sequence[TruthTrack], found: Sequence[Track], length: int) -> dict:
    made = metric_corpus.dataset(truth, {1: length}, SIZE)
    return scoring.evaluate(made, found, iou_type="bbox")


def test_iou_of_box_sequences_worked_out_by_hand() -> None:
    """Frame 0: 10 x 10 against 10 x 10 moved by 2.5: intersection 75, union 125. Frame 1: the truth alone,
    4 x 5 = 20. Frame 2: the prediction alone, 3 x 3 = 9. Frame 3: apart, 10 + 8. 75 / (125 + 20 + 9 + 18)."""
    truth = box_truth(1, [(0, 0, 10, 10), (5, 5, 4, 5), None, (0, 0, 5, 2)])
    found = box_track([(2.5, 0, 10, 10), None, (1, 1, 3, 3), (20, 20, 4, 2)], 0.9)
    overlap = video_overlap(1, 4, [truth], [found], "bbox")
    assert sequence_iou(overlap)[0, 0] == pytest.approx(75 / 172, abs=1e-15)
    assert frame_iou(overlap, 0)[0, 0] == pytest.approx(0.6, abs=1e-15)
    assert frame_iou(overlap, 3)[0, 0] == 0


def test_every_metric_of_one_track_worked_out_by_hand() -> None:
    """Both frames: 10 x 10 against 10 x 8, IoU 0.8. Right at the thresholds up to 0.8 (7 of 10 with
    linspace's values), a hit in HOTA at 16 of 19 values, no MOT error."""
    result = score([box_truth(1, [(0, 0, 10, 10)] * 2)], [box_track([(0, 0, 10, 8)] * 2, 0.9)], 2)
    right = (np.linspace(0.5, 0.95, 10) <= 0.8).sum() / 10
    assert result["video_ap"]["AP"] == pytest.approx(right)
    assert result["frame_ap"]["AP"] == pytest.approx(right)
    row = result["mot"]["class_aware"]["0.3"]
    assert (row["IDF1"], row["MOTA"], row["IDs"], row["FP"], row["FN"], row["MT"]) == (1, 1, 0, 0, 0, 1)
    assert result["hota"]["class_aware"]["0.3"]["DetA"] == pytest.approx(16 / 19)
    errors = result["errors"]["class_agnostic"]["0.3"]
    assert errors["truth_frames"] == 2
    assert not any(value for name, value in errors.items() if name != "truth_frames")


def test_an_identity_switch_of_boxes_is_counted() -> None:
    left, right = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 10.0, 10.0)
    truth = [box_truth(1, [left] * 4), box_truth(2, [right] * 4)]
    swapped = [box_track([left, left, right, right], 0.9), box_track([right, right, left, left], 0.8)]
    result = score(truth, swapped, 4)
    assert result["frame_ap"]["AP50"] == pytest.approx(1)
    assert result["video_ap"]["AP50"] == 0
    # each object is covered for 2 of its 4 frames by either track: IoU 200 / (400 + 400 - 200) < 0.5
    assert result["mot"]["class_agnostic"]["0.3"]["IDs"] == 2
    assert result["mot"]["class_agnostic"]["0.3"]["IDF1"] == pytest.approx(0.5)
    # an exchange between two objects is one error
    assert result["errors"]["class_agnostic"]["0.3"]["identity_switch"] == 1


def test_area_ranges_use_the_areas_of_boxes() -> None:
    """A box of 200 x 100 is medium, however few pixels its mask has."""
    mask = rectangle((300, 300), 0, 0, 200, 1) | rectangle((300, 300), 0, 0, 1, 100)
    made = metric_corpus.dataset([truth_track(1, [mask])], {1: 1}, (300, 300))
    found = Track(1, 1, 0.9, (None,), ((0.0, 0.0, 200.0, 100.0),))
    result = scoring.evaluate(made, [found], ["ap"], iou_type="bbox")["video_ap"]
    assert (result["APs"], result["APl"]) == (None, None)
    assert result["APm"] == pytest.approx(1)


def test_boxes_come_from_the_annotation_and_not_from_its_masks() -> None:
    """The annotated box is twice as wide as the mask; MOT has to use the same one as AP."""
    mask = rectangle(SIZE, 0, 0, 10, 10)
    wide: Box = (0.0, 0.0, 20.0, 10.0)
    truth = [replace(truth_track(1, [mask]), boxes=(wide,))]
    exact, tight = box_track([wide], 0.9), box_track([(0.0, 0.0, 9.0, 10.0)], 0.9)
    assert score(truth, [exact], 1)["video_ap"]["AP"] == pytest.approx(1)
    assert score(truth, [exact], 1)["mot"]["class_aware"]["0.3"]["IDF1"] == 1
    assert score(truth, [tight], 1)["video_ap"]["AP50"] == 0
    assert score(truth, [tight], 1)["mot"]["class_aware"]["0.3"]["IDF1"] == 0
    made = metric_corpus.dataset(truth, {1: 1}, SIZE)
    assert (
        scoring.evaluate(made, [tight], ["mot"])["mot"]["class_aware"]["0.3"]["IDF1"] == 1
    )  # masks asked for


def test_tight_boxes_stand_in_where_no_box_is_given() -> None:
    mask = rectangle(SIZE, 3, 4, 10, 8)
    truth = [replace(truth_track(1, [mask, None]), boxes=(None, None))]
    result = score(truth, [box_track([(3.0, 4.0, 10.0, 8.0), None], 0.9)], 2)
    assert result["video_ap"]["AP"] == pytest.approx(1)
    assert result["mot"]["class_aware"]["0.3"]["IDF1"] == 1


def test_crowds_of_boxes() -> None:
    """Video AP: plain IoU, so a quarter of the crowd is a false positive, and 9/10 of it is ignored.
    Frame AP: intersection over the predicted area, so both are ignored."""
    crowd, single = box_truth(1, [(0, 0, 20, 20)], crowd=True), box_truth(2, [(30, 30, 8, 8)])
    right, most = box_track([(30, 30, 8, 8)], 0.1), box_track([(0, 0, 20, 18)], 0.9)
    quarter = box_track([(0, 0, 10, 10)], 0.9)
    assert score([crowd, single], [most, right], 1)["video_ap"]["AP50"] == pytest.approx(1)
    assert score([crowd, single], [quarter, right], 1)["video_ap"]["AP50"] == pytest.approx(0.5)
    assert score([crowd, single], [quarter, right], 1)["frame_ap"]["AP50"] == pytest.approx(1)


def test_a_box_without_area_is_absence_but_its_track_a_false_positive_of_video_ap() -> None:
    empty = box_track([(5.0, 5.0, 0.0, 7.0)], 0.95)
    result = score([box_truth(1, [(0, 0, 10, 10)])], [empty, box_track([(0, 0, 10, 10)], 0.9)], 1)
    assert result["video_ap"]["AP50"] == pytest.approx(0.5)
    assert result["mot"]["class_agnostic"]["0.3"]["FP"] == 0
    assert result["frame_ap"]["AP"] == pytest.approx(1.0)
    assert result["hota"]["class_aware"]["all"]["HOTA"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, -1.0, 2.0), (0.0, float("nan"), 1.0, 2.0), (0.0, 0.0, 1.0, float("inf"))]
)
def test_impossible_boxes_are_refused(box: Box) -> None:
    with pytest.raises(DataError, match="box of frame 1"):
        score([box_truth(1, [None, (0, 0, 1, 1)])], [box_track([None, box], 0.5)], 2)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_frame_iou_matches_pycocotools_on_fractional_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # a side that is rounded to 0 would be absence
    first, second = (np.round(rng.uniform(0.01, 20, (n, 4)), 3) for n in rng.integers(1, 6, 2))
    truth = [box_truth(i, [tuple(box)]) for i, box in enumerate(first.tolist())]
    found = [box_track([tuple(box)], 0.5) for box in second.tolist()]
    overlap = video_overlap(1, 1, truth, found, "bbox")
    expected = coco_mask.iou(second, first, [0] * len(first))
    np.testing.assert_allclose(frame_iou(overlap, 0), expected.T, rtol=0, atol=1e-12)
    as_crowd = coco_mask.iou(second, first, [1] * len(first)).T
    np.testing.assert_allclose(
        overlap.frames[0].intersection, as_crowd * overlap.area[:, 0], rtol=0, atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whole_boxes_score_as_the_same_boxes_drawn_as_masks(seed: int) -> None:
    """The official evaluator knows masks only; on boxes of whole pixels both ways have to agree."""
    masks, mask_tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    names = ["video_ap", "frame_ap", "errors"]  # ties of the others are decided by what differs here
    truth = [_without_empty(track) for track in masks.tracks or ()]
    drawn = replace(masks, tracks=tuple(truth))
    boxes = replace(masks, tracks=tuple(_boxes_only(track) for track in truth))
    drawn_tracks = [_without_empty(track) for track in mask_tracks]
    box_tracks = [_boxes_only(track) for track in drawn_tracks]
    expected = scoring.evaluate(drawn, drawn_tracks, names)
    assert scoring.evaluate(boxes, box_tracks, names, iou_type="bbox") == expected


def _without_empty(track: TruthTrack | Track) -> TruthTrack | Track:
    """Empty masks become absence (a box without pixels cannot be drawn), boxes those of the masks."""
    kept = tuple(s if s is not None and coco_mask.area(s) else None for s in track.segmentations)
    boxes = tuple(None if s is None else tuple(coco_mask.toBbox(s).tolist()) for s in kept)
    return replace(track, segmentations=kept, boxes=boxes)


def _boxes_only(track: TruthTrack | Track) -> TruthTrack | Track:
    return replace(track, segmentations=(None,) * len(track.segmentations))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_frame_ap_of_boxes_matches_cocoeval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 4))

    def boxes() -> list[Box | None]:
        drawn = np.round(rng.uniform(0, 15, (length, 4)) + np.array([0, 0, 1, 1]), 2)
        return [None if rng.random() < 0.2 else tuple(box) for box in drawn.tolist()]

    truth = [
        box_truth(i + 1, boxes(), bool(rng.random() < 0.2), int(rng.integers(1, 3)))
        for i in range(rng.integers(1, 5))
    ]
    found = []
    for one in truth:
        shift = rng.uniform(-1, 1, 4) * [1, 1, 0.5, 0.5]
        moved = [None if b is None else tuple((np.array(b) + shift).tolist()) for b in one.boxes]
        found.append(box_track(moved, float(rng.random()), one.category_id))
    found.append(box_track(boxes(), float(rng.random()), 1))
    made = metric_corpus.dataset(truth, {1: length}, SIZE, categories=2)
    statistics = scoring.measure(made, found, ["frame_ap"], iou_type="bbox").frame_ap
    precision, _ = ap.precision_recall(statistics, [100])
    np.testing.assert_array_equal(precision, _cocoeval(made, found))


def _cocoeval(made: Dataset, tracks: Sequence[Track]) -> np.ndarray:
    """Precision [T, 101, K, 1, 1] of COCOeval for boxes; every frame of the one video is an image."""
    categories = [{"id": category.id} for category in made.categories]
    images = [{"id": t + 1} for t in range(made.videos[0].length)]
    sides = []
    for side_tracks in (made.tracks or (), tracks):
        annotations = [
            {
                "image_id": t + 1,
                "category_id": track.category_id,
                "iscrowd": int(getattr(track, "is_crowd", False)),
                "area": box[2] * box[3],
                "bbox": list(box),
                "score": getattr(track, "score", None),
            }
            for track in side_tracks
            for t, box in enumerate(track.boxes or ())
            if box is not None
        ]
        side = COCO()
        side.dataset = {
            "images": images,
            "categories": categories,
            "annotations": [annotation | {"id": i + 1} for i, annotation in enumerate(annotations)],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            side.createIndex()
        sides.append(side)
    judge = COCOeval(*sides, "bbox")
    judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [[0, 1e10]], ["all"], [100]
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"]
