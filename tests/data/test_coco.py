"""COCO instances as videos of one frame with the categories of the target."""

import gzip
import json
import pickle

import numpy as np
import pytest
from coco_files import annotation, outline, payload, rectangle, write_coco

from vis_bench.data import stored
from vis_bench.data.catalog import class_names
from vis_bench.data.coco import open_coco, shared_categories
from vis_bench.data.store.lazy import StoredTracks
from vis_bench.errors import DataError
from vis_bench.masks.rle import decode
from vis_bench.types import Category

TARGET = (Category(4, "mouse"), Category(6, "zebra"), Category(9, "person"))
# names of COCO that matter here, with their official ids
COCO = tuple(
    Category(number, name)
    for number, name in {
        1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck",
        9: "boat", 16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant",
        23: "bear", 24: "zebra", 25: "giraffe", 34: "frisbee", 35: "skis", 36: "snowboard", 41: "skateboard",
        42: "surfboard", 43: "tennis racket", 44: "bottle", 74: "mouse",
    }.items()
)  # fmt: skip


def mapped(dataset):
    names = class_names(dataset)
    target = [Category(i + 1, name) for i, name in enumerate(names)]
    coco = {category.id: category.name for category in COCO}
    return {coco[a]: names[b - 1] for a, b in shared_categories(COCO, target).items()}


def test_names_that_differ_are_found():
    """And a bicycle is no motorbike, skis are no snowboard, and a computer mouse is no animal."""
    same = {"person", "train", "boat", "cat", "dog", "horse", "cow", "elephant", "bear", "zebra", "giraffe"}
    same |= {"airplane", "snowboard", "skateboard", "surfboard"}
    racket = {"tennis racket": "tennis_racket"}
    assert mapped("ytvis19") == (
        {name: name for name in same | {"truck"}} | racket | {"car": "sedan", "motorcycle": "motorbike"}
    )
    assert mapped("ytvis21") == (
        {name: name for name in same | {"truck", "car", "bird"}}
        | racket
        | {"frisbee": "flying_disc", "motorcycle": "motorbike"}
    )
    ovis = {"person", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"}
    ovis |= {"bicycle", "motorcycle", "airplane", "boat"}
    vehicles = dict.fromkeys(("car", "bus", "truck"), "Vehical")
    assert mapped("ovis") == {name: name.capitalize() for name in ovis} | vehicles


@pytest.fixture
def coco(tmp_path):
    return open_coco(write_coco(tmp_path / "coco"), TARGET)


def test_images_of_shared_classes_become_videos_of_one_frame(coco):
    assert coco.categories == TARGET
    assert [(v.id, v.length, v.width, v.height) for v in coco.videos] == [(3, 1, 40, 30), (7, 1, 40, 30)]
    assert (coco.image_root / coco.videos[0].file_names[0]).is_file()
    assert {(t.id, t.video_id, t.category_id, t.is_crowd) for t in coco.tracks} == {
        (11, 3, 9, False),
        (13, 7, 9, False),
        (14, 7, 9, True),
    }
    assert (coco.name, coco.split) == ("coco", "train2017")


def test_masks_of_polygons_and_of_both_kinds_of_rle(coco):
    masks = {track.id: decode(track.segmentations[0]) for track in coco.tracks}
    two = rectangle((10, 20), (8, 18)) | rectangle((10, 20), (24, 30))
    np.testing.assert_array_equal(masks[11], two)
    np.testing.assert_array_equal(masks[13], rectangle((5, 25), (5, 15)))
    np.testing.assert_array_equal(masks[14], rectangle((0, 6), (0, 9)))
    boxes = {track.id: (track.boxes[0], track.areas[0]) for track in coco.tracks}
    assert boxes[11] == ((8.0, 10.0, 22.0, 10.0), 160.0)


def test_found_by_folder_or_gzip_file_and_told_apart_by_content(coco, tmp_path):
    folder = tmp_path / "coco"
    assert open_coco(folder, TARGET).annotation_hash == coco.annotation_hash
    path = folder / "annotations" / "instances_train2017.json"
    packed = folder / "annotations" / "instances_train2017.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert open_coco(packed, TARGET).annotation_hash == coco.annotation_hash
    with pytest.raises(DataError, match="several files"):
        open_coco(folder, TARGET)
    changed = payload()
    changed["annotations"] = changed["annotations"][:3]
    path.write_text(json.dumps(changed))
    assert open_coco(path, TARGET).annotation_hash != coco.annotation_hash


def test_another_image_folder(coco, tmp_path):
    path = tmp_path / "coco" / "annotations" / "instances_train2017.json"
    (tmp_path / "coco" / "train2017").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"images were not found.*coco/train2017"):
        open_coco(path, TARGET)
    assert open_coco(path, TARGET, tmp_path / "elsewhere").image_root == tmp_path / "elsewhere"
    with pytest.raises(DataError, match="no such folder"):
        open_coco(path, TARGET, tmp_path / "nowhere")


def broken(change):
    content = payload()
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][0].update(id=5), "image 5: the id occurs twice"),
        (lambda c: c["images"][0].update(width=0), "image 3: size 0x30"),
        (lambda c: c["images"][0].update(file_name="../x.png"), "outside the image folder"),
        (lambda c: c["annotations"][0].update(image_id=99), "annotation 11: image 99 is not in"),
        (lambda c: c["annotations"][0].update(category_id=99), "annotation 11: category 99"),
        (lambda c: c["annotations"][1].update(id=11), "annotation 11: the id occurs twice"),
        (lambda c: c["annotations"][0].pop("segmentation"), "annotation 11: `segmentation` is missing"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), "annotation 11: a polygon must"),
        (lambda c: c.pop("images"), "`images` is missing"),
    ],
)
def test_malformed_files_are_refused(change, message, tmp_path):
    path = write_coco(tmp_path / "coco")
    path.write_text(json.dumps(broken(change)))
    with pytest.raises(DataError, match=message):
        open_coco(path, TARGET)


def test_no_shared_class_and_no_file(tmp_path):
    path = write_coco(tmp_path / "coco")
    with pytest.raises(DataError, match="none of its 3 classes"):
        open_coco(path, (Category(1, "lizard"), Category(2, "mouse")))
    with pytest.raises(DataError, match="no such COCO"):
        open_coco(tmp_path / "absent", TARGET)
    with pytest.raises(DataError, match=r"has no annotations/instances_train2017\.json"):
        open_coco(tmp_path / "coco" / "train2017", TARGET)


def test_an_object_without_a_pixel_is_left_out(tmp_path):
    """A polygon thinner than a pixel; its image then has nothing to train on."""
    content = payload()
    content["annotations"] = [annotation(1, 3, 1, [outline(4.1, 4.2, 4.1, 4.2)])]
    content["annotations"].append(annotation(2, 7, 1, [outline(5, 9, 5, 9)]))
    opened = open_coco(write_coco(tmp_path / "coco", content), TARGET)
    assert [track.id for track in opened.tracks] == [2]
    assert [video.id for video in opened.videos] == [7]


def test_from_a_store_it_is_the_same_and_small(tmp_path, monkeypatch):
    path = write_coco(tmp_path / "coco")
    plain = open_coco(path, TARGET)
    assert isinstance(plain.tracks, tuple)
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "WORTH_BYTES", 0)
    for _ in range(2):
        found = open_coco(path, TARGET)
        assert isinstance(found.tracks, StoredTracks)
        assert found == plain
        assert repr(tuple(found.tracks)) == repr(plain.tracks)
        assert len(pickle.dumps(found)) < 1500
    # other classes are another store: its tracks are others
    other = open_coco(path, (Category(2, "person"),))
    assert other.tracks != plain.tracks
    assert len(list((tmp_path / "cache").rglob("*.store"))) == 2
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "file"))
    assert isinstance(open_coco(path, TARGET).tracks, tuple)
