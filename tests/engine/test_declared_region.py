"""MethodInfo.iou_type decides what a run is scored on; a method that returns something else fails."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from vis_bench.data import catalog
from vis_bench.engine.track import track_dataset, track_video
from vis_bench.errors import MethodError
from vis_bench.masks.rle import encode_or_none
from vis_bench.method import VideoInstance

BOXES = Path(__file__).parent / "box_method.py"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(name, *extra):
        return vis_bench(
            "run", "--methods", f"{BOXES}:{name}", "--dataset", squares, "--protocol", protocol,
            "--out", tmp_path / "runs", "--jobs", 1, *extra,
        )  # fmt: skip

    return call


def only_record(tmp_path):
    (path,) = tmp_path.glob("runs/squares-val/**/record.json")
    return json.loads(path.read_text()), path.parent


def test_a_method_of_boxes_is_scored_on_boxes(run, tmp_path, vis_bench, squares):
    """The oracle knows where the square of `squares` stands in every frame."""
    code, out, _ = run("ORACLE")
    assert code == 0
    assert ", boxes, protocol" in " ".join(out.split())
    record, folder = only_record(tmp_path)
    assert (record["status"], record["iou_type"]) == ("done", "bbox")
    assert record["metrics"]["video_ap"]["AP"] == pytest.approx(1)
    assert record["metrics"]["mot"]["class_aware"]["0.3"]["IDF1"] == 1
    entries = json.loads(gzip.decompress((folder / "predictions.json.gz").read_bytes()))
    assert all("segmentations" not in entry for entry in entries)
    assert entries[0]["bboxes"][1] == [7, 6, 8, 8]
    code, out, _ = vis_bench(
        "eval", folder / "predictions.json.gz", "--dataset", squares, "--split", "val",
        "--iou-type", "bbox", "--json", "-",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out) == record["metrics"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MASKS", "iou_type 'bbox', but a track has no boxes"),
        ("BOTH", "iou_type 'bbox', but a track has masks"),
        ("NEGATIVE", "no side below 0"),
    ],
)
def test_a_method_of_boxes_that_returns_something_else_fails_in_the_box_table(run, tmp_path, name, message):
    code, _, _ = run(name)
    assert code == 4
    record, _ = only_record(tmp_path)
    assert (record["status"], record["iou_type"]) == ("failed", "bbox")
    assert message in record["error"]


def test_a_method_of_masks_that_returns_boxes_only_fails(run, tmp_path):
    assert run("UNDECLARED")[0] == 4
    record, _ = only_record(tmp_path)
    assert (record["status"], record["iou_type"]) == ("failed", "segm")
    assert "iou_type 'segm', but its tracks hold boxes and not one mask" in record["error"]


class Fixed:
    """Returns the same tracks for every video."""

    def __init__(self, *instances):
        self.instances = instances

    def eval(self):
        return self

    def track(self, video, frames):
        return [instance(video) for instance in self.instances]


def boxes_only(video):
    return VideoInstance(0, 0.5, (None,) * video.length, ((0.0, 0.0, 4.0, 4.0),) * video.length)


def masked(video):
    (mask,) = encode_or_none(np.ones((1, video.height, video.width), dtype=bool))
    return VideoInstance(0, 0.5, (mask,) * video.length, ((0.0, 0.0, 4.0, 4.0),) * video.length)


def test_masks_with_boxes_beside_them_are_masks(squares, tmp_path):
    """A track that a mask method lost everywhere is no reason to fail while others have masks."""
    dataset = catalog.open_dataset(str(squares), "val")
    tracks, _, _ = track_dataset(
        Fixed(masked, boxes_only), dataset, "cpu", tmp_path, tmp_path / "p.json", lambda *_: None, 0, "segm"
    )
    assert len(tracks) == 4
    with pytest.raises(MethodError, match="has masks"):
        track_video(Fixed(masked), dataset, dataset.videos[0], "cpu", "bbox")
