"""Models of transformers as methods: identities, classes by name, prompts, and rows of tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vis_bench.data.catalog import open_dataset
from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.data.predictions import read_results
from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.integrations.transformers.classes import map_classes
from vis_bench.integrations.transformers.videomt import query_tracks
from vis_bench.masks.rle import decode, encode
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, find_records, read_record
from vis_bench.setup.plugins import load_spec

transformers = pytest.importorskip("transformers")
tiny = pytest.importorskip("tiny_transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder of models made so far; `models(tiny.mask2former)` is a name of a method."""
    folder = tmp_path_factory.mktemp("models")
    made: dict[str, str] = {}

    def model(make) -> str:
        if make.__name__ not in made:
            made[make.__name__] = tiny.save(make, folder)
        return made[make.__name__]

    return model


@pytest.fixture
def run(vis_bench, squares, tmp_path):
    """Track and score; the folders of the runs and what was said."""

    def call(method, *options):
        code, out, err = vis_bench(
            "run", "-m", method, "--no-train", "-d", squares, "--split", "val", "--out", tmp_path / "runs",
            "--device", "cpu", "--jobs", 1, *options,
        )  # fmt: skip
        assert code == 0, err
        return [path.parent for path in find_records([tmp_path / "runs"])], out, err

    return call


# --- VidEoMT: a track is a query


def test_identities_stay_with_queries_when_one_vanishes() -> None:
    # three frames of 4x6, two queries: 0 on the left, 1 on the right; 0 is nowhere in the second frame
    masks = torch.full((3, 2, 4, 6), -9.0)
    masks[:, 0, :, :2] = 9.0
    masks[:, 1, :, 4:] = 9.0
    masks[1, 0] = -9.0
    classes = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]]).expand(3, 2, 3)
    left, right = query_tracks(classes, masks, np.array([0, 1]), (4, 6), most=2)
    assert (left.label, right.label) == (0, 1)
    # softmax of (4, 0, 0)
    assert left.score == pytest.approx(np.exp(4) / (np.exp(4) + 2), abs=1e-6)
    assert [mask is None for mask in left.segmentations] == [False, True, False]
    expected = np.zeros((4, 6), dtype=bool)
    expected[:, 4:] = True
    assert list(right.segmentations) == [encode(expected)] * 3
    # the library's own numbers are of a frame: the query on the right is 1, 0, 1
    processor = transformers.models.videomt.video_processing_videomt.VideomtVideoProcessor()
    output = type("Output", (), {"class_queries_logits": classes, "masks_queries_logits": masks})
    found = processor.post_process_instance_segmentation(output, [(4, 6)] * 3)
    assert [int(frame["segmentation"][0, 5]) for frame in found] == [1, 0, 1]


def test_labels_that_the_data_set_lacks_are_no_tracks() -> None:
    masks = torch.ones(1, 1, 2, 2)
    classes = torch.tensor([[[9.0, 1.0, 0.0]]])
    (only,) = query_tracks(classes, masks, np.array([-1, 3]), (2, 2), most=10)
    assert only.label == 3
    assert only.score == pytest.approx(np.exp(1) / (np.exp(9) + np.exp(1) + 1), abs=1e-6)


def test_videomt_through_run(models, run, squares) -> None:
    (folder,), _, err = run(models(tiny.videomt))
    record = read_record(folder / RECORD_NAME)
    # videos of four frames, all of which it reads first
    assert (record.look_ahead_frames, record.online, record.paradigm) == (3, False, "query propagation")
    note = "classes: 1 of the model's 3 are of the data set: Square; dropped: cell, dog"
    assert note in record.notes
    assert note in " ".join(err.split())
    assert record.initial_weights is not None
    assert record.foreign_code.endswith("VideomtForUniversalSegmentation")
    tracks = read_results(folder / PREDICTIONS_NAME, open_dataset(str(squares), "val"))
    # one class of the data set: a pair of each of the six queries
    assert len(tracks) == 2 * 6


# --- frames, and a rule


@pytest.mark.slow
def test_mask2former_under_two_rules_in_one_table(models, run, squares) -> None:
    rules = ("masktrack_rcnn", "stc")
    options = ("--associate", ",".join(rules), "--keep-frames", "--set", "score_threshold=0.01")
    folders, out, _ = run(models(tiny.mask2former), *options)
    records = [read_record(folder / RECORD_NAME) for folder in folders]
    assert sorted(record.config for record in records) == list(rules)
    assert all((record.online, record.look_ahead_frames) == (True, 0) for record in records)
    assert all(name in out for name in ("hf:mask2former@masktrack_rcnn", "hf:mask2former@stc"))
    assert out.count("foreign code, seed 0") == 1
    # the detections are those of the library's own steps
    dataset = open_dataset(str(squares), "val")
    picture = np.asarray(Image.open(squares / "val/JPEGImages" / dataset.videos[0].file_names[0]))
    place = models(tiny.mask2former).partition(":")[2]
    processor = transformers.AutoImageProcessor.from_pretrained(place)
    model = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(place).eval()
    with torch.no_grad():
        output = model(**processor(images=picture, return_tensors="pt"))
    (found,) = processor.post_process_instance_segmentation(
        output, threshold=0.01, target_sizes=[picture.shape[:2]], return_binary_maps=True
    )
    pairs = zip(found["segments_info"], found["segmentation"], strict=True)
    kept = [(info["score"], mask) for info, mask in pairs if info["label_id"] == 2]
    kept.sort(key=lambda pair: -pair[0])
    for folder in folders:
        first = read_frames(folder / FRAMES_NAME, dataset).videos[dataset.videos[0].id][0]
        assert len(first) == len(kept[:10]) > 0
        np.testing.assert_allclose(first.scores, [score for score, _ in kept], atol=2e-6)
        for rle, (_, mask) in zip(first.segmentations, kept, strict=True):
            assert rle is not None
            assert (decode(rle) == mask.numpy().astype(bool)).all()


@pytest.mark.parametrize("make", [tiny.eomt, tiny.rf_detr])
def test_other_models_of_single_images(models, run, make, squares) -> None:
    (folder,), _, _ = run(models(make), "--associate", "stc", "--set", "score_threshold=0", "--keep-frames")
    dataset = open_dataset(str(squares), "val")
    frames = read_frames(folder / FRAMES_NAME, dataset).videos[dataset.videos[0].id]
    for found in frames:
        assert len(found) <= 10
        assert (np.diff(found.scores) <= 0).all()
        assert (found.labels == 0).all()
        for rle, (x1, y1, x2, y2) in zip(found.segmentations, found.boxes, strict=True):
            rows, columns = np.nonzero(decode(rle))
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x1, y1, x2, y2)
    assert any(len(found) for found in frames)


# --- SAM 2


@pytest.mark.slow
def test_sam2_prompted_with_the_truth_has_a_table_of_its_own(
    models, run, vis_bench, squares, tmp_path
) -> None:
    prompted, _, err = run(models(tiny.sam2_video), "--prompt", "truth")
    record = read_record(prompted[0] / RECORD_NAME)
    assert record.paradigm == "memory tracking"
    assert record.prompt == "the first mask of each object of the truth"
    assert "prompted with the first mask of each object of the truth" in " ".join(err.split())
    dataset = open_dataset(str(squares), "val")
    tracks = read_results(prompted[0] / PREDICTIONS_NAME, dataset)
    assert dataset.tracks is not None
    # one track for each object, which starts as it was shown and not before
    assert len(tracks) == len(dataset.tracks)
    for track, truth in zip(tracks, dataset.tracks, strict=True):
        assert track.category_id == truth.category_id
        first = next(n for n, mask in enumerate(truth.segmentations) if mask is not None)
        assert all(mask is None for mask in track.segmentations[:first])
        shown, followed = truth.segmentations[first], track.segmentations[first]
        assert shown is not None
        assert followed is not None
        both = decode(shown) & decode(followed)
        assert both.sum() / (decode(shown) | decode(followed)).sum() > 0.6
    run(models(tiny.videomt))
    _, out, _ = vis_bench("report", tmp_path / "runs", "--out", tmp_path / "report", "--no-pictures")
    heading = "prompted with the first mask of each object of the truth"
    plain = " ".join(out.split())
    # two tables of one method each: the prompted one is ranked with nobody
    assert plain.count("2 videos, masks") == 2
    assert plain.count(heading) == 1
    names = ("hf:videomt", "hf:sam2_video@truth-prompts")
    code, _, err = vis_bench("compare", *names, "--records", tmp_path / "runs")
    assert code == 5
    assert "they differ in prompt" in " ".join(err.split())


@pytest.mark.slow
def test_sam2_shown_the_objects_by_a_detector(models, run, squares) -> None:
    detector = models(tiny.mask2former)
    (folder,), _, _ = run(
        models(tiny.sam2_video), "--prompt", detector, "--set", "score_threshold=0", "--set", "most_objects=3"
    )
    record = read_record(folder / RECORD_NAME)
    assert (record.prompt, record.config) == ("", "hf-mask2former")
    assert any(note.startswith("classes: 1 of the model's 3") for note in record.notes)
    tracks = read_results(folder / PREDICTIONS_NAME, open_dataset(str(squares), "val"))
    assert 0 < len(tracks) <= 2 * 3


# --- what is refused


def test_what_is_refused(models, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the rule that gives identities"):
        load_spec(models(tiny.mask2former))
    with pytest.raises(UsageError, match="has to be shown its objects: --prompt truth"):
        load_spec(models(tiny.sam2_video))
    with pytest.raises(UsageError, match="tracks by itself"):
        load_spec(f"{models(tiny.videomt)}?associate=stc")
    with pytest.raises(UsageError, match="takes no prompts"):
        load_spec(f"{models(tiny.videomt)}?prompt=truth")
    with pytest.raises(DataError, match="no such folder"):
        load_spec(f"hf:{tmp_path / 'none'}")
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "mask2former"}))
    (folder / "pytorch_model.bin").touch()
    with pytest.raises(DataError, match="no weights in safetensors"):
        load_spec(f"hf:{folder}?associate=stc")
    (folder / "model.safetensors").touch()
    (folder / "config.json").write_text(json.dumps({"model_type": "segformer"}))
    with pytest.raises(MethodError, match="a model of type 'segformer'; videomt"):
        load_spec(f"hf:{folder}?associate=stc")
    detects = {"model_type": "rf_detr", "architectures": ["RfDetrForObjectDetection"]}
    (folder / "config.json").write_text(json.dumps(detects))
    with pytest.raises(MethodError, match="RfDetrForInstanceSegmentation is what has masks"):
        load_spec(f"hf:{folder}?associate=stc")


def test_a_version_that_lacks_the_model_is_said(models, monkeypatch) -> None:
    import importlib.util
    from types import SimpleNamespace

    name, real = models(tiny.videomt), importlib.util.find_spec
    old = SimpleNamespace(origin="/nowhere/transformers/__init__.py")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *r: old if n == "transformers" else real(n, *r)
    )
    with pytest.raises(MethodError, match="has no VideomtForUniversalSegmentation"):
        load_spec(name)


def test_foreign_code_is_not_trained(models, vis_bench, squares) -> None:
    code, _, err = vis_bench("run", "-m", models(tiny.videomt), "-d", squares, "--split", "val")
    assert code == 2
    assert "foreign code is scored with the weights that it has" in " ".join(err.split())
    code, _, err = vis_bench(
        "run", "-m", models(tiny.videomt), "-d", squares, "--split", "val", "--no-train", "--weights", "w.pth"
    )
    assert code == 2
    assert "brings its own weights" in " ".join(err.split())


def test_classes_by_name() -> None:
    found = map_classes(["giant panda", "Dog", "tv"], ["dog", "giant_panda", "cat"])
    assert found.to_own.tolist() == [1, 0, -1]
    assert found.note == (
        "classes: 2 of the model's 3 are of the data set: giant panda, Dog; dropped: tv; of the data set, "
        "not known to the model: cat"
    )
    assert map_classes(["LABEL_0", "LABEL_1"], ["a", "b"]).to_own.tolist() == [0, 1]
    with pytest.raises(DataError, match="none of the model's 2 classes"):
        map_classes(["LABEL_0", "LABEL_1"], ["a", "b", "c"])


def test_videos_without_labels(models, vis_bench, squares, tmp_path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("square\n")
    code, _, err = vis_bench(
        "track", squares / "val/JPEGImages", "-m", models(tiny.videomt), "--classes", names, "-o",
        tmp_path / "out", "--no-overlay", "--no-page", "--device", "cpu",
    )  # fmt: skip
    assert code == 0, err
    assert "looks 3 frames ahead" in " ".join(err.split())
    assert "classes: 1 of the model's 3" in " ".join(err.split())
    code, _, err = vis_bench(
        "track", squares / "val/JPEGImages", "-m", models(tiny.sam2_video), "--prompt", "truth", "--classes",
        names, "-o", tmp_path / "two", "--device", "cpu",
    )  # fmt: skip
    assert code == 2
    assert "no truth to prompt with" in " ".join(err.split())


@pytest.mark.slow
def test_the_checks_of_every_method(models, vis_bench) -> None:
    for name, options in (
        (models(tiny.videomt), ()),
        (models(tiny.mask2former), ("--associate", "stc")),
    ):
        code, out, err = vis_bench("methods", "check", name, *options)
        assert code == 0, out + err
        assert "a video after another gives the same tracks as alone" in out
