"""`vis-bench eval --iou-type bbox`: box sequences from file to score."""

import json

import pytest
from ytvis_files import annotation, payload, rle, square, write_json


def box_track(boxes, **changes):
    return {"video_id": 1, "category_id": 1, "score": 0.9, "bboxes": boxes} | changes


def mask_track(**changes):
    masks = [rle(square(2, 5, 3, 4)), None]
    return {"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": masks} | changes


@pytest.fixture
def score(vis_bench, tmp_path):
    def call(predictions, *extra, truth=None):
        truth_path = write_json(tmp_path / "truth.json", truth or payload())
        path = write_json(tmp_path / "results.json", predictions)
        return vis_bench("eval", path, "--truth", truth_path, *extra)

    return call


def test_boxes_are_scored_with_every_metric(score):
    """Annotated box (5, 2, 4, 3); the predicted one is a row of pixels shorter: IoU 8 / 12."""
    code, out, _ = score([box_track([[5, 2, 4, 2], None])], "--iou-type", "bbox", "--json", "-")
    assert code == 0
    result = json.loads(out)
    assert set(result) == {
        *("video_ap", "per_category", "frame_ap", "mot", "hota", "errors"),
        *("operating_point", "duplicates_per_100"),
    }
    assert result["operating_point"]["mot"]["IDF1"] == 1
    assert result["video_ap"]["AP"] == pytest.approx(0.4)  # right at 0.5, 0.55, 0.6 and 0.65
    assert result["frame_ap"]["AP50"] == pytest.approx(1)
    assert result["mot"]["class_aware"]["0.3"]["IDF1"] == 1
    assert result["hota"]["class_aware"]["all"]["DetA"] == pytest.approx(13 / 19)  # 0.05 to 0.65


def test_truth_without_masks_is_enough(score):
    truth = payload(annotations=[annotation(segmentations=[None, None], areas=[None, None])])
    code, out, _ = score([box_track([[5, 2, 4, 3], None])], "--iou-type", "bbox", "--json", "-", truth=truth)
    assert code == 0
    assert json.loads(out)["video_ap"]["AP"] == pytest.approx(1)


def test_the_summary_says_that_boxes_were_measured(score):
    boxes = score([box_track([[5, 2, 4, 3], None])], "--iou-type", "bbox")[1]
    masks = score([mask_track()])[1]
    assert "Measured on boxes" in boxes
    assert "boxes" not in masks
    assert all(len(line) <= 80 for line in boxes.splitlines())


@pytest.mark.parametrize(
    ("predictions", "kind", "words"),
    [
        ([box_track([None, None]), mask_track()], "bbox", ["entry 1", "`bboxes`", "--iou-type segm"]),
        ([box_track([[5, 2, 4, 3], None])], "segm", ["not one mask", "--iou-type bbox"]),
        ([box_track([[5, 2, 4, -3], None])], "bbox", ["entry 0, frame 0", "negative"]),
        ([box_track([[5, 2, 4, 3]])], "bbox", ["entry 0", "`bboxes` has 1 entries"]),
        ([box_track([[5, 2, 4], None])], "bbox", ["frame 0", "four finite numbers"]),
    ],
)
def test_a_file_without_what_is_to_be_scored_is_one_clear_error(score, predictions, kind, words):
    code, out, err = score(predictions, "--iou-type", kind, "--json", "-")
    assert code == 3
    assert not out
    assert err.count("vis-bench: ") + err.count("vis-bench:\n") == 1
    assert "results.json" in err
    assert all(word in err for word in words)
    assert "Traceback" not in err
