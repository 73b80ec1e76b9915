"""YouTube-VIS 2022, LV-VIS, UVO, OVIS with truth, BURST, and the trees of VNext and LV-VIS by folder."""

import pytest
from ytvis_files import annotation, payload, rle, square, video_record, write_frames, write_json

from vis_bench.data.catalog import class_names, default_split, open_dataset
from vis_bench.data.frames import load_video_frame
from vis_bench.data.given_truth import with_truth
from vis_bench.data.official import hides_truth, lvvis_classes
from vis_bench.data.validate import verify
from vis_bench.errors import DataError, UsageError
from vis_bench.scoring.evaluate import evaluate
from vis_bench.types import Track


@pytest.fixture(autouse=True)
def _no_roots_from_outside(monkeypatch, tmp_path):
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))


def content(names, folders=("a", "b"), truth=True):
    videos = [video_record(v, folder=folder) for v, folder in enumerate(folders)]
    tracks = [annotation(v, video_id=v, category_id=1 + v % len(names)) for v in range(len(folders))]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    value = payload(categories=categories, videos=videos, annotations=tracks)
    if not truth:
        del value["annotations"]
    return value


def perfect(dataset):
    tracks = [Track(one.video_id, one.category_id, 0.5, one.segmentations) for one in dataset.tracks]
    return evaluate(dataset, tracks, ["ap"])["video_ap"]["AP"]


def opens_verifies_and_scores(dataset, frames):
    assert dataset.image_root == frames
    assert load_video_frame(dataset, dataset.videos[0], 1).shape == (12, 20, 3)
    assert verify(dataset, check_frames=True) == []
    assert perfect(dataset) == pytest.approx(1)


def test_lvvis_tree(tmp_path):
    root = tmp_path / "LV-VIS"
    value = content(class_names("lvvis"))
    write_json(root / "val_instances.json", value)
    write_frames(root / "JPEGImages/val", value["videos"])
    assert default_split("lvvis") == "valid"
    opens_verifies_and_scores(open_dataset("lvvis", data_root=tmp_path), root / "JPEGImages/val")
    by_folder = open_dataset(root)
    assert by_folder.split == "val"
    opens_verifies_and_scores(by_folder, root / "JPEGImages/val")
    with pytest.raises(UsageError, match="no split 'devval'"):
        open_dataset("lvvis", "devval", tmp_path)


def test_lvvis_class_lists():
    classes = lvvis_classes()
    assert (len(classes), sum(novel for _, novel in classes)) == (1196, 555)
    assert classes[5] == ("airplane", False)
    assert classes[0] == ("accordion", True)
    assert len({name for name, _ in classes}) == 1196


def test_vnext_tree_by_name_and_by_folder(tmp_path):
    root = tmp_path / "ytvis_2019"
    value = content(class_names("ytvis19"), truth=True)
    write_json(root / "annotations/instances_val_sub.json", value)
    write_frames(root / "val/JPEGImages", value["videos"])
    opens_verifies_and_scores(open_dataset("ytvis19", "valid", tmp_path), root / "val/JPEGImages")
    by_folder = open_dataset(root)
    assert by_folder.split == "val"
    opens_verifies_and_scores(by_folder, root / "val/JPEGImages")
    by_file = open_dataset(root / "annotations/instances_val_sub.json")
    assert by_file.split == "val"
    assert by_file.image_root == root / "val/JPEGImages"


def test_ovis_validation_truth_where_the_user_has_it(tmp_path):
    root = tmp_path / "ovis"
    value = content(class_names("ovis"))
    write_json(root / "annotations_valid.json", value)
    write_frames(root / "valid", value["videos"])
    opens_verifies_and_scores(open_dataset("ovis", "valid", tmp_path), root / "valid")


def test_ytvis22_short_and_long(tmp_path):
    names = class_names("ytvis22")
    assert names == class_names("ytvis21")
    root = tmp_path / "ytvis_2022"
    whole = content(names, ("a", "b", "c"), truth=False)
    write_json(root / "valid.json", whole)
    write_frames(root / "valid/JPEGImages", whole["videos"])
    assert open_dataset("ytvis22", "valid", tmp_path).tracks is None
    with pytest.raises(DataError, match=r"gt_short.json and gt_long.json"):
        open_dataset("ytvis22", "valid-long", tmp_path)
    # the short ones are those of 2021
    write_json(tmp_path / "ytvis_2021/valid.json", content(names, ("b", "c"), truth=False))
    short = open_dataset("ytvis22", "valid-short", tmp_path)
    long = open_dataset("ytvis22", "valid-long", tmp_path)
    assert [[video.name for video in part.videos] for part in (short, long)] == [["b", "c"], ["a"]]
    write_json(root / "gt_long.json", content(names, ("a",)))
    given = open_dataset("ytvis22", "valid-long", tmp_path)
    assert given.split == "valid-long"
    opens_verifies_and_scores(given, root / "valid/JPEGImages")
    with pytest.raises(UsageError, match="no split 'valid-long'"):
        open_dataset("ytvis21", "valid-long", tmp_path)


def test_uvo_is_class_agnostic(tmp_path):
    root = tmp_path / "UVO"
    value = content(("cat", "dog"))
    write_json(root / "VideoDenseSet/UVO_video_val_dense.json", value)
    write_frames(root / "uvo_videos_dense_frames", value["videos"])
    opened = open_dataset("uvo", data_root=tmp_path)
    assert [one.name for one in opened.categories] == ["object"]
    assert {track.category_id for track in opened.tracks} == {1}
    opens_verifies_and_scores(opened, root / "uvo_videos_dense_frames")
    assert len(open_dataset(root).categories) == 2, "by folder the classes are those of the file"


def test_burst_by_its_converted_file(tmp_path):
    root = tmp_path / "burst"
    value = content(("cat", "dog"), ("HACS/x", "YFCC/y"))
    write_json(root / "val.json", value)
    write_frames(root / "frames/val", value["videos"])
    opens_verifies_and_scores(open_dataset("burst", "val", tmp_path), root / "frames/val")
    with pytest.raises(DataError, match="data convert"):
        open_dataset("burst", "train", tmp_path)


def test_a_root_that_holds_another_set_is_not_uvo_or_burst(tmp_path):
    write_json(tmp_path / "data/train.json", content(class_names("ytvis21")))
    for name in ("uvo", "burst"):
        with pytest.raises(DataError):
            open_dataset(name, "train", tmp_path / "data")


def test_public_truth_is_not_hidden():
    assert hides_truth("ytvis22", "valid-long")
    assert not hides_truth("lvvis", "valid")


@pytest.fixture
def hidden(tmp_path):
    names = class_names("ytvis21")
    value = content(names, ("a", "b"), truth=False)
    write_json(tmp_path / "ytvis_2021/valid.json", value)
    write_frames(tmp_path / "ytvis_2021/valid/JPEGImages", value["videos"])
    return open_dataset("ytvis21", "valid", tmp_path)


def test_truth_of_the_user(hidden, tmp_path):
    given = content(class_names("ytvis21"), ("b", "a"))
    scored = with_truth(hidden, write_json(tmp_path / "gt.json", given))
    assert (scored.name, scored.split, scored.image_root) == ("ytvis21", "valid", hidden.image_root)
    # ids are those of the truth
    assert [video.name for video in scored.videos] == ["b", "a"]
    opens_verifies_and_scores(scored, hidden.image_root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda value: value["videos"][0].update(file_names=["z/0.jpg", "z/1.jpg"]),
            "'z' is not in this split",
        ),
        (lambda value: value["videos"][0].update(width=21), "21"),
        (lambda value: value["categories"][3].update(name="unicorn"), "classes"),
        (lambda value: value.pop("annotations"), "holds no annotations"),
    ],
)
def test_truth_of_something_else_is_refused(hidden, tmp_path, change, message):
    value = content(class_names("ytvis21"))
    if message == "21":
        value["annotations"] = [annotation(5, video_id=1, segmentations=[rle(square(2, 5, 3, 4)), None])]
    change(value)
    with pytest.raises(DataError, match=message):
        with_truth(hidden, write_json(tmp_path / "gt.json", value))
