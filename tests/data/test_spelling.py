"""Spellings that mean one thing: they are read, and what is no spelling of it is refused."""

from __future__ import annotations

import pytest
from ytvis_files import annotation, payload, rle, runs, square, video_record

from vis_bench.data.predictions import parse_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import DataError
from vis_bench.metrics.checks import check_tracks
from vis_bench.types import Dataset

MASK = square(2, 5, 3, 4)


def read(**changes: object) -> Dataset:
    return parse_dataset(payload(**changes), "truth.json", None, "mine", "val", "")


def counts_of(counts: object) -> Dataset:
    segmentation = {"size": [12, 20], "counts": counts}
    return read(annotations=[annotation(segmentations=[segmentation, None])])


def test_whole_numbers_may_have_a_fraction_of_zero() -> None:
    plain = read()
    found = read(
        videos=[video_record() | {"id": 1.0, "width": 20.0, "height": 12.0, "length": 2.0}],
        annotations=[annotation() | {"id": 1.0, "video_id": 1.0, "category_id": 1.0}],
    )
    assert found == plain
    assert repr(found.tracks) == repr(plain.tracks)
    assert counts_of([float(run) for run in runs(MASK)]).tracks == plain.tracks


def test_null_is_what_is_left_out() -> None:
    found = read(
        videos=[video_record() | {"length": None}], annotations=[annotation(bboxes=None, areas=None)]
    )
    (track,) = found.tracks or ()
    # measured on the mask: 3 rows of 4 pixels at (5, 2)
    assert track.boxes == ((5.0, 2.0, 4.0, 3.0), None)
    assert track.areas == (12.0, None)


@pytest.mark.parametrize(
    "counts", [[2.5, 237.5], [True, 239], [float("nan"), 1.0], [1e300, 1.0], ["240"], [None]]
)
def test_runs_that_are_no_whole_numbers_are_refused(counts: list[object]) -> None:
    with pytest.raises(DataError, match="`counts` must be a list of whole numbers"):
        counts_of(counts)


@pytest.mark.parametrize("number", [1.5, True, "1", 1e300, float("nan")])
def test_ids_that_are_no_whole_numbers_are_refused(number: object) -> None:
    with pytest.raises(DataError, match="`id` must be a whole number"):
        read(videos=[video_record() | {"id": number}])


def test_truth_of_boxes_alone_is_scored_on_boxes_alone() -> None:
    found = read(annotations=[annotation(segmentations=None)])
    (track,) = found.tracks or ()
    assert track.segmentations == (None, None)
    assert track.boxes == ((5.0, 2.0, 4.0, 3.0), None)
    check_tracks(found, (), "bbox")
    with pytest.raises(DataError, match="its truth has boxes and not one mask"):
        check_tracks(found, (), "segm")


def test_boxes_beside_masks_matter_where_boxes_are_scored() -> None:
    record = {"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [rle(MASK), None]}
    record |= {"bboxes": [[0, 0, float("nan"), 1], None]}
    (track,) = parse_results([record], read(), "results.json", iou_type="segm")
    assert track.boxes is None
    with pytest.raises(DataError, match="a box must be four finite numbers"):
        parse_results([record], read(), "results.json", iou_type="bbox")
    negative = read(annotations=[annotation(bboxes=[[5, 2, -4, 3], None])])
    check_tracks(negative, (), "segm")
    with pytest.raises(DataError, match="the box of frame 0"):
        check_tracks(negative, (), "bbox")
