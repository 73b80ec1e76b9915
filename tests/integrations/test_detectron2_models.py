"""detectron2 models with random weights: the same through us as by detectron2's own call."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from detectron2_archives import code

from vis_bench.data.catalog import open_dataset
from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.data.predictions import read_results
from vis_bench.engine.training.weights import save_weights
from vis_bench.masks.rle import decode
from vis_bench.records.columns import COLUMNS, read_value
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, find_records, read_record
from vis_bench.records.speed import SUFFIX, read_speed
from vis_bench.setup.plugins import build_method, load_spec

CONFIGS = Path(__file__).parents[1] / "fixtures/detectron2"
VIDEOS = ("c2c12", "pumavos_caps")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Two of the small real videos as a data set."""
    fixtures = os.environ.get("VIS_BENCH_FIXTURES")
    if not fixtures:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    source, folder = Path(fixtures) / "realvis/val", tmp_path_factory.mktemp("d2") / "two" / "val"
    content = json.loads((source / "instances_val.json").read_text())
    content["videos"] = [v for v in content["videos"] if v["file_names"][0].split("/")[0] in VIDEOS]
    kept = {video["id"] for video in content["videos"]}
    content["annotations"] = [a for a in content["annotations"] if a["video_id"] in kept]
    for name in VIDEOS:
        shutil.copytree(source / "JPEGImages" / name, folder / "JPEGImages" / name)
    (folder / "instances_val.json").write_text(json.dumps(content))
    return folder.parent


@pytest.fixture(scope="module")
def native(dataset, tmp_path_factory) -> Path:
    """A folder with configurations, weights, and what detectron2 itself makes of them."""
    folder = tmp_path_factory.mktemp("native")
    for path in CONFIGS.glob("*.yaml"):
        shutil.copy(path, folder)
    done = code().run(Path(__file__).with_name("detectron2_native.py"), folder, dataset)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "vis_bench_two_val"
    return folder


def run_ours(native: Path, dataset: Path, config: str, *options: object):
    arguments = ["-m", "vis_bench", "run", "-m", f"detectron2:{native / config}.yaml", "--no-train", "-d"]
    return code().run(
        *arguments, dataset, "--split", "val", "--weights", native / f"{config}.pth", "--out",
        native / "runs", "--device", "cpu", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def of_videos(native, dataset) -> Path:
    """The folder of the run of Mask2Former-VIS."""
    done = run_ours(native, dataset, "mask2former_vis")
    assert done.returncode == 0, done.stderr
    return next(p.parent for p in find_records([native / "runs"]) if "mask2former_vis" in str(p))


def test_mask2former_vis_gives_the_tracks_of_its_native_call(native, dataset, of_videos) -> None:
    theirs = np.load(native / "videos.npz")
    opened = open_dataset(str(dataset), "val")
    tracks = read_results(of_videos / PREDICTIONS_NAME, opened)
    for video in opened.videos:
        own = [track for track in tracks if track.video_id == video.id]
        # the model's own number of pairs of query and class
        assert len(own) == len(theirs[f"{video.id}_scores"]) == 10
        np.testing.assert_allclose([t.score for t in own], theirs[f"{video.id}_scores"], atol=1e-6)
        assert [opened.label_of_category[t.category_id] for t in own] == theirs[f"{video.id}_labels"].tolist()
        masks = np.unpackbits(theirs[f"{video.id}_masks"], axis=-1, count=video.width).astype(bool)
        assert masks.any()
        for track, expected in zip(own, masks, strict=True):
            for rle, mask in zip(track.segmentations, expected, strict=True):
                assert (rle is None) == (not mask.any())
                assert rle is None or (decode(rle) == mask).all()


def test_the_record_says_what_code_it_was(of_videos) -> None:
    record = read_record(of_videos / RECORD_NAME)
    assert (record.foreign, record.foreign_code) == (True, "detectron2 0.6 with Mask2Former-VIS")
    assert (record.licence, record.paradigm, record.online) == ("MIT", "clip-level", False)
    # the longer of the two videos has 10 frames
    assert record.look_ahead_frames == 9
    assert record.start is not None
    assert (record.start.loaded, record.start.of) == (558, 558)
    assert record.parameters is not None
    assert record.parameters["total"] == 43_950_211


def test_one_table_holds_it_and_a_method_of_ours(native, dataset, of_videos, vis_bench, tmp_path) -> None:
    spec = load_spec("stc")
    weights = tmp_path / "stc.safetensors"
    save_weights(weights, build_method(spec, spec.configs["tiny"], 2).state_dict())
    code_, _, err = vis_bench(
        "run", "-m", "stc@tiny", "--weights", weights, "--no-train", "-d", dataset, "--split", "val",
        "--out", native / "runs", "--device", "cpu",
    )  # fmt: skip
    assert code_ == 0, err
    code_, out, _ = vis_bench("report", native / "runs/two-val", "--out", tmp_path / "report")
    assert code_ == 0
    tables = [part for part in out.split("\n\n") if "stc" in part and "detectron2:mask2former_vis" in part]
    assert len(tables) >= 1
    assert "foreign code (detectron2 0.6 with Mask2Former-VIS; licence: MIT)" in " ".join(out.split())


def test_our_evaluator_in_the_loop_of_detectron2(native, dataset, of_videos) -> None:
    facts = json.loads((native / "facts.json").read_text())
    record = read_record(of_videos / RECORD_NAME).model_dump(mode="json")
    assert set(facts["numbers"]) >= {"AP", "AR10", "HOTA", "IDF1", "MOTA", "IDs"}
    for name, number in facts["numbers"].items():
        column = COLUMNS[name]
        value = read_value(record, column)
        assert value is not None
        assert number == pytest.approx(100 * value if column.unit == "fraction" else value, abs=1e-9), name
    # 20 tracks in all frames: random masks are wrong so often that it is far below nothing
    assert facts["numbers"]["MOTA"] < -100
    opened = open_dataset(str(dataset), "val")
    assert len(read_results(native / "evaluated/results.json", opened)) == 20
    assert (facts["classes"], facts["ids"], facts["type"]) == (
        ["object", "cell"],
        {"1": 0, "2": 1},
        "ytvis",
    )
    # 103 masks of c2c12 and 8 of pumavos_caps, in 15 frames
    assert (sum(facts["objects"]), len(facts["objects"])) == (111, 15)


@pytest.mark.long
def test_mask_rcnn_per_frame_under_a_rule(native, dataset) -> None:
    done = run_ours(native, dataset, "mask_rcnn", "--associate", "masktrack_rcnn", "--keep-frames")
    assert done.returncode == 0, done.stderr
    folder = next(p.parent for p in find_records([native / "runs"]) if "mask_rcnn" in str(p))
    record = read_record(folder / RECORD_NAME)
    assert (record.config, record.online, record.look_ahead_frames) == ("masktrack_rcnn", True, 0)
    theirs = np.load(native / "frame.npz")
    opened = open_dataset(str(dataset), "val")
    first = read_frames(folder / FRAMES_NAME, opened).videos[opened.videos[0].id][0]
    shown = theirs["masks"].any(axis=(1, 2)) & (theirs["scores"] >= 0.05)
    expected = {name: theirs[name][shown][:10] for name in theirs}
    assert len(first) == len(expected["scores"]) > 0
    np.testing.assert_allclose(first.scores, expected["scores"], atol=1e-6)
    np.testing.assert_allclose(first.boxes, expected["boxes"], atol=1e-3)
    assert (first.labels == expected["labels"]).all()
    for rle, mask in zip(first.segmentations, expected["masks"], strict=True):
        assert rle is not None
        assert (decode(rle) == mask).all()


def test_another_number_of_classes_is_an_error_of_the_data(native, squares) -> None:
    done = run_ours(native, squares, "mask2former_vis")
    assert done.returncode == 3
    text = " ".join(done.stderr.split())
    assert "a model of 2 classes (MODEL.SEM_SEG_HEAD.NUM_CLASSES), the data set has 1" in text


def test_projects_find_what_they_import_though_it_is_not_installed() -> None:
    """IDOL and SeqFormer call the compiled operation and import the evaluator of a fork of pycocotools."""
    done = code().run(
        "-c",
        "from vis_bench.integrations.detectron2.install import make_importable as make; make();"
        "import MultiScaleDeformableAttention as one, detectron2._C;"
        "from pycocotools.ytvos import YTVOS; from pycocotools.ytvoseval import YTVOSeval;"
        "print(callable(one.ms_deform_attn_forward), YTVOS.__module__, YTVOSeval.__module__)",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "vis_bench.compat.ytvos", "vis_bench.compat.ytvoseval"]


@pytest.mark.long
def test_checked_timed_and_tracked(native, dataset, tmp_path) -> None:
    config, weights = native / "mask2former_vis.yaml", native / "mask2former_vis.pth"
    shared = ["-m", "vis_bench"]
    done = code().run(*shared, "methods", "check", f"detectron2:{config}", "--weights", weights)
    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stdout
    assert "a video after another gives the same tracks as alone" in done.stdout
    done = code().run(
        *shared, "speed", "-m", f"detectron2:{config}", "--weights", weights, "-d", dataset, "--split", "val",
        "--short", "--repeats", 1, "--out", tmp_path / "speed", "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    timed = read_speed(next((tmp_path / "speed").rglob(f"stream{SUFFIX}")))
    code_of = "detectron2 0.6 with Mask2Former-VIS"
    assert (timed.foreign, timed.foreign_code, timed.licence) == (True, code_of, "MIT")
    assert f"foreign code ({code_of}; licence: MIT)" in " ".join(done.stdout.split())
    names = tmp_path / "names.txt"
    names.write_text("object\ncell\n")
    done = code().run(
        *shared, "track", dataset / "val/JPEGImages/pumavos_caps", "-m", f"detectron2:{config}", "--weights",
        weights, "--classes", names, "-o", tmp_path / "out", "--no-overlay", "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10 tracks in 1 videos, looks 4 frames ahead" in " ".join(done.stderr.split())
