import gzip
import json
import re
from pathlib import Path

import pytest
from pycocotools import mask as coco_mask
from ytvis_files import HEIGHT, WIDTH, annotation, payload, rle, runs, square, video_record, write_json

from vis_bench.data.ytvis import read_dataset, write_annotations
from vis_bench.errors import EXIT_DATA, DataError
from vis_bench.masks.rle import decode


def read(tmp_path, value, name="mine", split="val"):
    return read_dataset(write_json(tmp_path / "instances_val.json", value), None, name, split)


def test_reads_videos_categories_and_truth(tmp_path):
    dataset = read(tmp_path, payload(categories=[{"id": 7, "name": "star"}, {"id": 1, "name": "disc"}]))
    (video,) = dataset.videos
    assert (video.id, video.name, video.width, video.height, video.length) == (1, "a", WIDTH, HEIGHT, 2)
    assert [category.id for category in dataset.categories] == [1, 7]
    assert dict(dataset.label_of_category) == {1: 0, 7: 1}
    (track,) = dataset.tracks
    assert decode(track.segmentations[0]).tolist() == square(2, 5, 3, 4).astype(bool).tolist()
    assert isinstance(track.segmentations[0]["counts"], bytes)
    assert track.segmentations[1] is None
    assert track.boxes == ((5.0, 2.0, 4.0, 3.0), None)
    assert track.areas == (12, None)


def test_every_form_of_mask_becomes_the_same_rle(tmp_path):
    mask = square(2, 5, 3, 4)
    # A polygon over pixel corners (5, 2) to (9, 5), which covers the same 4x3 pixels.
    polygon = [[5, 2, 9, 2, 9, 5, 5, 5]]
    forms = [rle(mask), {"size": [HEIGHT, WIDTH], "counts": runs(mask)}, polygon]
    value = payload(
        videos=[video_record(frames=3)],
        annotations=[annotation(segmentations=forms, bboxes=[None] * 3, areas=[None] * 3)],
    )
    (track,) = read(tmp_path, value).tracks
    assert track.segmentations[0] == track.segmentations[1] == track.segmentations[2]
    assert coco_mask.area(track.segmentations[0]) == 12


def test_boxes_and_areas_left_out_are_measured_on_the_masks(tmp_path):
    record = annotation()
    del record["bboxes"], record["areas"]
    (track,) = read(tmp_path, payload(annotations=[record])).tracks
    assert track.boxes == ((5.0, 2.0, 4.0, 3.0), None)
    assert track.areas == (12.0, None)


def test_id_zero_is_valid_everywhere(tmp_path):
    value = payload(
        videos=[video_record(0)],
        categories=[{"id": 0, "name": "disc"}],
        annotations=[annotation(0, video_id=0, category_id=0)],
    )
    dataset = read(tmp_path, value)
    assert dataset.tracks_by_video[0][0].id == 0
    assert dataset.label_of_category[0] == 0


@pytest.mark.parametrize(
    ("truth", "name", "split", "tracks"),
    [
        ("absent", "mine", "val", None),
        (None, "mine", "val", None),
        ([], "mine", "val", ()),
        ([], "ytvis19", "train-full", ()),
        ([], "ytvis19", "valid", None),
        ([], "ovis", "test", None),
    ],
)
def test_hidden_truth_is_not_empty_truth(tmp_path, truth, name, split, tracks):
    value = payload()
    del value["annotations"]
    if truth != "absent":
        value["annotations"] = truth
    assert read(tmp_path, value, name, split).tracks == tracks


def test_gzip_reads_alike(tmp_path):
    plain = read(tmp_path, payload())
    packed = tmp_path / "x.json.gz"
    packed.write_bytes(gzip.compress((tmp_path / "instances_val.json").read_bytes()))
    assert read_dataset(packed, None, "mine", "val") == plain


@pytest.mark.parametrize("suffix", ["json", "json.gz"])
def test_written_file_reads_back_equal(tmp_path, suffix):
    dataset = read(tmp_path, payload(annotations=[annotation(0, iscrowd=1), annotation(3, category_id=7)]))
    path = tmp_path / "out" / f"copy.{suffix}"
    write_annotations(path, dataset)
    again = read_dataset(path, None, "mine", "val")
    assert (again.videos, again.categories, again.tracks) == (
        dataset.videos,
        dataset.categories,
        dataset.tracks,
    )
    assert again.tracks[0].is_crowd
    assert again.split_hash == dataset.split_hash


def test_hidden_truth_stays_hidden_when_written(tmp_path):
    value = payload()
    del value["annotations"]
    write_annotations(tmp_path / "copy.json", read(tmp_path, value))
    assert "annotations" not in json.loads((tmp_path / "copy.json").read_text())


def without(record, key):
    return {name: value for name, value in record.items() if name != key}


SMALL = rle(square(0, 0, 2, 2, (HEIGHT - 1, WIDTH)))
OVERRUN = {"size": [HEIGHT, WIDTH], "counts": [200, 41]}
CUT = {"size": [HEIGHT, WIDTH], "counts": rle(square(2, 5, 3, 4))["counts"][:-2]}
BAD_FILES = {
    "list": ([], "a list is a results file|A list is a results file"),
    "text": ("hello", "must be a JSON object"),
    "no videos": (without(payload(), "videos"), "`videos` is missing. Keys present: info, categories"),
    "no categories": (without(payload(), "categories"), "`categories` is missing"),
    "videos no list": (payload(videos={}), "`videos` must be a list, found dict"),
    "annotations no list": (payload(annotations={"1": 2}), "`annotations` must be a list, found dict"),
    "annotation no object": (payload(annotations=[3]), r"annotations\[0\]: must be a JSON object"),
    "video id text": (payload(videos=[video_record(id="1")]), r"videos\[0\]: `id` must be a whole number"),
    "video twice": (payload(videos=[video_record(), video_record()]), "video 1: the id occurs twice"),
    "no video": (payload(videos=[]), "`videos` is empty"),
    "no category": (payload(categories=[]), "`categories` is empty"),
    "one name twice": (
        payload(categories=[{"id": 1, "name": "x"}, {"id": 2, "name": "x"}]),
        "category 2: is named 'x' like category 1",
    ),
    "category twice": (payload(categories=[{"id": 1, "name": "x"}] * 2), "category 1: the id occurs twice"),
    "annotation twice": (payload(annotations=[annotation()] * 2), "annotation 1: the id occurs twice"),
    "unknown video": (payload(annotations=[annotation(video_id=9)]), "annotation 1: video 9 is not in"),
    "unknown category": (
        payload(annotations=[annotation(category_id=3)]),
        "annotation 1: category 3 is not in",
    ),
    "no frames": (payload(videos=[video_record(frames=0)]), "video 1: has no frames"),
    "length": (payload(videos=[video_record(length=3)]), "`length` is 3, `file_names` has 2"),
    "size zero": (payload(videos=[video_record(width=0)]), "size 0x12 must lie within"),
    "size huge": (payload(videos=[video_record(height=10**9)]), "size 20x1000000000 must lie within"),
    "id huge": (payload(videos=[video_record(id=2**63)]), "`id` must be a whole number"),
    "area huge": (payload(annotations=[annotation(areas=[10**400, None])]), "an area must be a number"),
    "absolute": (
        payload(videos=[video_record(file_names=["/etc/x.jpg"] * 2)]),
        "leads outside the image folder",
    ),
    "drive": (payload(videos=[video_record(file_names=["C:/x.jpg"] * 2)]), "leads outside the image folder"),
    "parent": (payload(videos=[video_record(file_names=["a/../../x.jpg"] * 2)]), "leads outside"),
    "backslash": (payload(videos=[video_record(file_names=["a\\x.jpg"] * 2)]), "must use `/`"),
    "short masks": (
        payload(annotations=[annotation(segmentations=[None])]),
        "`segmentations` has 1 entries, the",
    ),
    "long boxes": (
        payload(annotations=[annotation(bboxes=[None] * 3)]),
        "`bboxes` has 3 entries, the video has 2",
    ),
    "short areas": (payload(annotations=[annotation(areas=[])]), "`areas` has 0 entries"),
    "mask size": (
        payload(annotations=[annotation(segmentations=[SMALL, None])]),
        r"size \[11, 20\] in a video",
    ),
    "overrun": (
        payload(annotations=[annotation(segmentations=[None, OVERRUN])]),
        "frame 1: broken mask.*overrun",
    ),
    "cut counts": (
        payload(annotations=[annotation(segmentations=[CUT, None])]),
        "annotation 1, frame 0: broken",
    ),
    "mask no object": (
        payload(annotations=[annotation(segmentations=["x", None])]),
        "a segmentation must be",
    ),
    "counts floats": (
        payload(
            annotations=[annotation(segmentations=[{"size": [HEIGHT, WIDTH], "counts": [0.5, 239.5]}, None])]
        ),
        "`counts` must be a list of whole numbers",
    ),
    "counts ragged": (
        payload(
            annotations=[annotation(segmentations=[{"size": [HEIGHT, WIDTH], "counts": [[1], 2]}, None])]
        ),
        "`counts` must be a list of whole numbers",
    ),
    "two points": (
        payload(annotations=[annotation(segmentations=[[[1, 1, 5, 5]], None])]),
        "at least three points",
    ),
    "far polygon": (
        payload(annotations=[annotation(segmentations=[[[1, 1, 5, 5, 9e9, 1]], None])]),
        "not a number near the image",
    ),
    "nan box": (
        payload(annotations=[annotation(bboxes=[[0, 0, float("nan"), 1], None])]),
        "four finite numbers",
    ),
    "short box": (payload(annotations=[annotation(bboxes=[[0, 0, 1], None])]), "frame 0: a box must be four"),
    "infinite area": (
        payload(annotations=[annotation(areas=[float("inf"), None])]),
        "an area must be a number",
    ),
    "negative area": (payload(annotations=[annotation(areas=[-1, None])]), "an area must be a number"),
    "crowd": (payload(annotations=[annotation(iscrowd=2)]), "`iscrowd` must be 0 or 1"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_malformed_files_are_refused(tmp_path, case):
    value, message = BAD_FILES[case]
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, value)
    assert caught.value.exit_code == EXIT_DATA
    assert str(tmp_path / "instances_val.json") in str(caught.value)


def test_broken_json_names_the_file(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text('{"videos": [')
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_dataset(path, None, "mine", "val")
    with pytest.raises(DataError, match="no such file"):
        read_dataset(Path(tmp_path / "none.json"), None, "mine", "val")
