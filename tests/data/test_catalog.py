import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from ytvis_files import annotation, payload, video_record, write_frames, write_json

from vis_bench.data import catalog
from vis_bench.data.catalog import class_names, default_split, describe_datasets, open_dataset, open_recorded
from vis_bench.data.frames import load_video_frame
from vis_bench.data.shapes import FIRST_ANNOTATIONS
from vis_bench.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def _no_roots_from_outside(monkeypatch):
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    monkeypatch.delenv("VIS_BENCH_CACHE", raising=False)


def official(name, file_name="{i:05d}.jpg", **changes):
    categories = [{"id": i + 1, "name": label} for i, label in enumerate(class_names(name))]
    videos = [
        video_record(v, folder=f"v{v}", file_names=[f"v{v}/" + file_name.format(i=5 * i) for i in range(2)])
        for v in range(8)
    ]
    tracks = [annotation(v, video_id=v) for v in range(8)]
    return payload(categories=categories, videos=videos, annotations=tracks) | changes


def unpack(root, name, annotations, frames, **options):
    value = official(name, **options)
    write_json(root / annotations, value)
    if frames:
        write_frames(root / frames, value["videos"])


LAYOUTS = [
    # (dataset, annotation file, frames) of the official archives and of detectron2 projects, CrossVIS,
    # MMTracking and OpenVIS
    ("ytvis19", "ytvis_2019/train.json", "ytvis_2019/train/JPEGImages"),
    ("ytvis19", "YouTube-VIS-2019/train/instances.json", "YouTube-VIS-2019/train/JPEGImages"),
    ("ytvis19", "ytvis19/train.json.gz", "ytvis19/train_all_frames/JPEGImages"),
    ("ytvis19", "youtubevis/annotations/train.json", "youtubevis/train"),
    (
        "ytvis19",
        "youtube_vis_2019/annotations/youtube_vis_2019_train.json",
        "youtube_vis_2019/train/JPEGImages",
    ),
    ("ytvis21", "ytvis_2021/train/instances.json", "ytvis_2021/train/JPEGImages"),
    ("ytvis21", "ytvis_2021/train.json", "ytvis_2021/train/JPEGImages"),
    ("ovis", "ovis/annotations_train.json", "ovis/train"),
    ("ovis", "OVIS/annotations_train.json", "OVIS/train/JPEGImages"),
    ("ovis", "ovis/annotations_train.json", "ovis/Images/train"),
    ("ovis", "ovis/train.json", "ovis/train/JPEGImages"),
    # the data root is the dataset's own folder
    ("ytvis21", "train.json", "train/JPEGImages"),
    ("ovis", "annotations_train.json", "train"),
]


@pytest.mark.parametrize(("name", "annotations", "frames"), LAYOUTS)
def test_official_layouts_are_found(tmp_path, name, annotations, frames):
    file_name = "img_{i:07d}.jpg" if name == "ovis" else "{i:05d}.jpg"
    unpack(tmp_path, name, annotations.removesuffix(".gz"), frames, file_name=file_name)
    if annotations.endswith(".gz"):
        import gzip

        plain = tmp_path / annotations.removesuffix(".gz")
        (tmp_path / annotations).write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    full = open_dataset(name, "train-full", tmp_path)
    assert full.image_root == tmp_path / frames
    assert len(full.videos) == 8
    assert load_video_frame(full, full.videos[3], 1).shape == (12, 20, 3)
    devval, train = open_dataset(name, data_root=tmp_path), open_dataset(name, "train", tmp_path)
    assert (devval.split, len(devval.videos), len(train.videos)) == ("devval", 2, 6)
    assert devval.image_root == full.image_root


def test_data_root_from_the_environment(tmp_path, monkeypatch):
    unpack(tmp_path, "ytvis19", "ytvis_2019/train.json", None)
    monkeypatch.setenv("VIS_BENCH_DATA", str(tmp_path))
    dataset = open_dataset("ytvis19")
    assert dataset.image_root is None
    assert dataset.name == "ytvis19"


def test_two_years_below_one_root_are_not_mixed_up(tmp_path):
    unpack(tmp_path, "ytvis19", "ytvis_2019/train.json", "ytvis_2019/train/JPEGImages")
    unpack(tmp_path, "ytvis21", "ytvis_2021/train.json", "ytvis_2021/train/JPEGImages")
    assert open_dataset("ytvis19", data_root=tmp_path).categories[0].name == "person"
    assert open_dataset("ytvis21", data_root=tmp_path).categories[0].name == "airplane"
    # A root that is the folder of one year does not answer for the other.
    with pytest.raises(DataError, match="not found below"):
        open_dataset("ytvis19", data_root=tmp_path / "ytvis_2021")


def test_file_of_another_year_is_refused(tmp_path):
    unpack(tmp_path, "ytvis21", "train.json", None)
    with pytest.raises(DataError, match="classes are not the 40 of YouTube-VIS 2019"):
        open_dataset("ytvis19", data_root=tmp_path)


@pytest.mark.parametrize("split", ["valid", "val"])
@pytest.mark.parametrize("truth", [{}, {"annotations": None}, {"annotations": []}])
def test_official_validation_has_no_truth(tmp_path, split, truth):
    value = official("ytvis19")
    del value["annotations"]
    write_json(tmp_path / "ytvis_2019/valid.json", value | truth)
    dataset = open_dataset("ytvis19", split, tmp_path)
    assert dataset.split == "valid"
    assert dataset.tracks is None


def test_missing_data_shows_the_tree_and_the_variable(tmp_path):
    with pytest.raises(DataError) as caught:
        open_dataset("ovis", data_root=tmp_path)
    text = str(caught.value)
    assert f"not found below {tmp_path}" in text
    assert "annotations_train.json" in text
    assert "VIS_BENCH_DATA" in text
    with pytest.raises(DataError, match="VIS_BENCH_DATA is not set"):
        open_dataset("ytvis19")


def test_class_lists():
    # Facts about the official files: sizes, first and last class, and classes that only one year has.
    year19, year21, ovis = (class_names(name) for name in ("ytvis19", "ytvis21", "ovis"))
    assert (len(set(year19)), len(set(year21)), len(set(ovis))) == (40, 40, 25)
    assert (year19[0], year19[24], year19[39]) == ("person", "deer", "tennis_racket")
    assert (year21[0], year21[25], year21[39]) == ("airplane", "person", "zebra")
    assert list(year21) == sorted(year21)
    assert set(year19) - set(year21) == {"sedan", "ape", "hand", "owl", "eagle"}
    assert set(year21) - set(year19) == {"bird", "car", "flying_disc", "squirrel", "whale"}
    assert (ovis[0], ovis[24]) == ("Person", "Vehical")
    assert (
        class_names("shapes-long") == class_names("shapes") == ("disc", "square", "triangle", "star", "cross")
    )


def test_unknown_names_and_splits():
    with pytest.raises(UsageError, match="Did you mean 'ytvis19'"):
        open_dataset("ytvis-19")
    with pytest.raises(UsageError, match="Did you mean 'devval'"):
        open_dataset("ytvis19", "deval")
    with pytest.raises(UsageError, match="Known: train, val, test"):
        open_dataset("shapes", "devval")
    with pytest.raises(UsageError, match="Unknown dataset 'coco'"):
        class_names("coco")
    with pytest.raises(DataError, match=r"there/gt\.json: no such file"):
        open_dataset("there/gt.json")


def test_default_splits(tmp_path):
    assert {name: default_split(name) for name in catalog.known_datasets()} == {
        "ytvis19": "devval",
        "ytvis21": "devval",
        "ytvis22": "devval",
        "ovis": "devval",
        "lvvis": "valid",
        "uvo": "valid",
        "burst": "valid",
        "shapes": "test",
        "shapes-occlusion": "test",
        "shapes-crossing": "test",
        "shapes-alike": "test",
        "shapes-long": "test",
        "shapes-entering": "test",
        "shapes-v1": "test",
    }
    write_json(tmp_path / "one/instances_mine.json", payload())
    assert default_split(str(tmp_path / "one")) == "mine"
    write_json(tmp_path / "one/instances_other.json", payload())
    with pytest.raises(UsageError, match="Give --split with one of: mine, other"):
        default_split(str(tmp_path / "one"))
    write_json(tmp_path / "one/instances_val.json", payload())
    assert default_split(str(tmp_path / "one")) == "val"


@pytest.mark.parametrize(
    ("annotations", "frames"),
    [
        ("val/instances_val.json", "val/JPEGImages"),
        ("val/instances.json", "val/JPEGImages"),
        ("instances_val.json", "JPEGImages"),
        ("instances_val.json", "val/JPEGImages"),
        ("val.json", "val/JPEGImages"),
        ("val.json", "val"),
        ("annotations_val.json", "JPEGImages"),
        ("val.json", "."),
    ],
)
def test_paths(tmp_path, annotations, frames):
    value = payload()
    write_json(tmp_path / "mine" / annotations, value)
    write_frames(tmp_path / "mine" / frames, value["videos"])
    by_folder = open_dataset(str(tmp_path / "mine"))
    by_file = open_dataset(str(tmp_path / "mine" / annotations), "val")
    assert (by_folder.name, by_folder.split) == ("mine", "val")
    assert by_folder.image_root == by_file.image_root == tmp_path / "mine" / frames
    assert by_folder.tracks == by_file.tracks
    with pytest.raises(UsageError, match=r"has no split 'test'\. Found: val"):
        open_dataset(str(tmp_path / "mine"), "test")


def test_annotation_file_without_frames(tmp_path):
    dataset = open_dataset(str(write_json(tmp_path / "gt.json", payload())))
    assert (dataset.name, dataset.split, dataset.image_root) == ("gt", "gt", None)


def test_folder_without_annotations(tmp_path):
    with pytest.raises(DataError, match="no annotation file found"):
        open_dataset(str(tmp_path))


def test_a_folder_named_like_a_dataset_is_told_apart(tmp_path):
    write_json(tmp_path / "ovis/train.json", payload())
    assert open_dataset(str(tmp_path / "ovis"), "train").name == "path:ovis"


def test_shapes_are_made_in_the_cache(tmp_path, monkeypatch):
    asked = []

    def ensure_shapes(name, split, cache_root, progress=True):
        asked.append((name, split, cache_root))
        write_json(tmp_path / "made" / f"instances_{split}.json", payload())
        return tmp_path / "made"

    module = types.ModuleType("vis_bench.data.shapes")
    module.ensure_shapes = ensure_shapes
    monkeypatch.setitem(sys.modules, "vis_bench.data.shapes", module)
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    dataset = open_dataset("shapes-long")
    assert (dataset.name, dataset.split) == ("shapes-long", "test")
    assert dataset.image_root == tmp_path / "made/JPEGImages"
    open_dataset("shapes", "train", cache_root=tmp_path / "own")
    assert asked == [("shapes-long", "test", tmp_path / "cache"), ("shapes", "train", tmp_path / "own")]


def test_what_old_records_call_shapes_is_its_first_version(monkeypatch):
    opened = []
    monkeypatch.setattr(catalog, "open_dataset", lambda *arguments: opened.append(arguments))
    open_recorded("shapes", "test", FIRST_ANNOTATIONS["test"])
    open_recorded("shapes", "test", FIRST_ANNOTATIONS["val"])
    open_recorded("shapes", "test", "f" * 64)
    open_recorded("shapes-long", "test", FIRST_ANNOTATIONS["test"])
    assert [name for name, *_ in opened] == ["shapes-v1", "shapes", "shapes", "shapes-long"]


def test_describe_datasets(tmp_path):
    unpack(tmp_path, "ytvis19", "ytvis_2019/train.json", "ytvis_2019/train/JPEGImages")
    write_json(tmp_path / "ytvis_2019/valid.json", official("ytvis19"))
    rows = {name: (status, where) for name, status, where in describe_datasets(tmp_path)}
    assert rows["ytvis19"] == ("train, valid (no frames)", str(tmp_path / "ytvis_2019/train.json"))
    assert rows["ovis"] == ("not found", str(tmp_path))
    assert rows["shapes"][0].startswith("made on first use")
    assert describe_datasets()[0][1:] == ("not found", "set VIS_BENCH_DATA to the folder of the datasets")


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
@pytest.mark.parametrize(("split", "videos", "frames", "tracks"), [("train", 4, 141, 93), ("val", 3, 52, 51)])
def test_real_videos_open_by_path(split, videos, frames, tracks):
    root = Path(os.environ["VIS_BENCH_FIXTURES"]) / "realvis"
    dataset = open_dataset(str(root), split)
    assert (len(dataset.videos), sum(v.length for v in dataset.videos), len(dataset.tracks)) == (
        videos,
        frames,
        tracks,
    )
    assert dataset.image_root == root / split / "JPEGImages"
    video = dataset.videos[0]
    assert load_video_frame(dataset, video, video.length - 1).shape == (video.height, video.width, 3)


def test_reading_data_needs_no_torch():
    modules = "catalog, frames, predictions, splits, stats, validate, ytvis"
    code = f"from vis_bench.data import {modules}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
