"""What is packed for the viewer: masks as they are shown, spans, errors; what is left out if too large."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pages import right_tracks, switched_tracks, two_squares
from PIL import Image
from plot_samples import block_of
from record_samples import make_record

from vis_bench.data.predictions import write_results
from vis_bench.masks import rle
from vis_bench.metrics.temporal_errors import KINDS
from vis_bench.report.videos.viewed_runs import viewed_runs
from vis_bench.report.videos.viewer import ViewedRun, build_viewer, shown_size
from vis_bench.types import Category, Dataset, Video


def _unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return two_squares(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> list[ViewedRun]:
    """One run that is right, and one that errs in the second video."""
    write_results(tmp_path / "right.json", [*right_tracks(1), *right_tracks(2)])
    write_results(tmp_path / "wrong.json", [*right_tracks(1), *switched_tracks(2)])
    return [ViewedRun(name, tmp_path / f"{name}.json", "segm") for name in ("right", "wrong")]


def test_tracks_spans_and_errors_are_packed(dataset: Dataset, runs: list[ViewedRun]) -> None:
    found = build_viewer(dataset, runs)
    assert [(video["name"], video["errors"]) for video in found.index["videos"]] == [("v1", 0), ("v2", 2)]
    assert found.index["runs"] == ["right", "wrong"]
    assert found.notes == ()
    wrong = _unpacked(found.runs[1])[1]
    assert wrong["objects"] == [[[0, 3, 0], [3, 5, 1], [5, 6, -1]], [[0, 3, 1], [3, 6, 0]]]
    switch, death = KINDS.index("identity_switch"), KINDS.index("early_death")
    assert wrong["errors"] == [[switch, 3, 1, [0, 1], [1, 0]], [death, 5, 1, [0], [1]]]
    truth = _unpacked(found.truth)[1]
    assert [one["colour"] for one in truth] == ["#e69f00", "#56b4e9"]
    stored = {"size": [48, 80], "counts": truth[0]["shapes"][0].encode()}
    assert np.array_equal(rle.decode(stored), rle.decode(dataset.tracks[0].segmentations[0]))
    assert [len(text.split("\n")) for text in found.frames] == [6, 6]


def test_low_scores_and_operating_points_are_packed_and_low_ones_go_first(
    dataset: Dataset, runs: list[ViewedRun], tmp_path: Path
) -> None:
    low = [replace(right_tracks(2)[0], score=score) for score in (0.3, 0.2004, 0.05, 0.04)]
    write_results(tmp_path / "low.json", [*switched_tracks(2), *low])
    with_low = [ViewedRun("low", tmp_path / "low.json", "segm", (0.15, 0.45)), runs[0]]
    found = build_viewer(dataset, with_low)
    assert found.index["points"] == [[0.15, 0.45], []]
    assert (found.index["usual"], found.index["least"]) == (0.3, 0.05)
    first = _unpacked(found.runs[0])[1]
    # what was above 0.2 stays above it; 0.05 itself is not above 0.05
    assert [track["score"] for track in first["tracks"]] == [0.9, 0.8, 0.3, 0.201]
    assert [track["colour"] for track in first["tracks"]][2:] == ["#e69f00"] * 2
    assert first["errors"] == _unpacked(build_viewer(dataset, runs[1:]).runs[0])[1]["errors"]
    without = sum(map(len, build_viewer(dataset, [runs[1], runs[0]]).runs))
    small = build_viewer(dataset, with_low, runs_bytes=without + 8)
    assert (small.index["runs"], small.index["least"]) == (["low", "right"], 0.3)
    assert [track["score"] for track in _unpacked(small.runs[0])[1]["tracks"]] == [0.9, 0.8]
    assert small.notes == ("Tracks scored 0.3 or less are left out: the page would grow too large.",)


def test_classes_are_those_that_occur(dataset: Dataset, tmp_path: Path) -> None:
    named = replace(dataset, categories=tuple(Category(n, f"class {n}") for n in (1, 2, 3)))
    write_results(tmp_path / "other.json", [replace(right_tracks(1)[0], category_id=3)])
    found = build_viewer(named, [ViewedRun("other", tmp_path / "other.json", "segm")])
    assert found.index["classes"] == ["class 1", "class 3"]


def test_large_frames_and_their_masks_are_made_smaller(tmp_path: Path) -> None:
    assert shown_size(Video(1, "v", 1280, 720, ())) == (320, 180)
    assert shown_size(Video(1, "v", 80, 48, ())) == (80, 48)
    video = Video(1, "v1", 640, 400, ("f.png",))
    Image.new("RGB", (640, 400)).save(tmp_path / "f.png")
    mask = np.zeros((400, 640), dtype=bool)
    mask[100:200, 300:500] = True
    (old, _, *_) = two_squares(tmp_path / "x").tracks
    truth = replace(
        old, segmentations=(rle.encode(mask),), boxes=((300.0, 100.0, 200.0, 100.0),), areas=(2e4,)
    )
    dataset = replace(two_squares(tmp_path / "y"), videos=(video,), tracks=(truth,), image_root=tmp_path)
    write_results(tmp_path / "none.json", [])
    packed = build_viewer(dataset, [ViewedRun("none", tmp_path / "none.json", "segm")])
    shown = rle.decode({"size": [200, 320], "counts": _unpacked(packed.truth)[0][0]["shapes"][0].encode()})
    assert (shown.sum(), shown[50:100, 150:250].all()) == (5000, True)
    boxes = build_viewer(dataset, [ViewedRun("none", tmp_path / "none.json", "bbox")])
    assert _unpacked(boxes.truth)[0][0]["shapes"] == [[150.0, 50.0, 100.0, 50.0]]


def test_what_does_not_fit_is_left_out_and_named(dataset: Dataset, runs: list[ViewedRun]) -> None:
    found = build_viewer(dataset, runs, frames_bytes=10, runs_bytes=10)
    assert [video["name"] for video in found.index["videos"]] == ["v2"]  # the one with errors
    assert (found.index["runs"], len(found.runs), len(_unpacked(found.runs[0]))) == (["right"], 1, 1)
    assert found.notes == (
        "1 of 2 videos are here, those with the most errors: the page would grow too large.",
        "Left out, the page would grow too large: wrong.",
    )


def test_first_seeds_of_all_come_before_second_seeds_and_names_are_told_apart(tmp_path: Path) -> None:
    made = [make_record(name, ap, seed) for name, ap in (("a", 0.4), ("b", 0.3)) for seed in (0, 1)]
    masks = block_of(*made)
    boxes = block_of(make_record("a", 0.2, iou_type="bbox"))
    records = [record for block in (masks, boxes) for row in block.rows for record in row.records]
    folders = {id(record): tmp_path / str(number) for number, record in enumerate(records)}
    for number in (0, 1, 2, 4):  # the second seed of b has no predictions
        write_results(tmp_path / str(number) / "predictions.json.gz", [])
    assert [run.label for run in viewed_runs([masks], folders)] == ["a, seed 0", "b, seed 0", "a, seed 1"]
    assert [run.label for run in viewed_runs([masks], folders, all_seeds=False)] == ["a, seed 0", "b, seed 0"]
    labels = [run.label for run in viewed_runs([masks, boxes], folders)]
    assert labels == ["a (masks), seed 0", "b (masks), seed 0", "a (boxes), seed 0", "a (masks), seed 1"]
    other = block_of(make_record("a", 0.2, protocol="other", protocol_hash="fedcba9876543210"))
    folders[id(other.rows[0].records[0])] = tmp_path / "0"
    labels = [run.label for run in viewed_runs([masks, other], folders, all_seeds=False)]
    assert labels == [
        "a [hand-made 01234567], seed 0", "b, seed 0", "a [other fedcba98], seed 0",
    ]  # fmt: skip
    assert [run.thresholds for run in viewed_runs([masks, other], folders, all_seeds=False)] == [(0.35,)] * 3
    given = block_of(make_record("a", 0.2, train_data=None, initial_weights="0" * 64))
    folders[id(given.rows[0].records[0])] = tmp_path / "0"
    labels = [run.label for run in viewed_runs([masks, given], folders, all_seeds=False)]
    assert labels[2] == "a [hand-made 01234567, weights as given, not trained], seed 0"
