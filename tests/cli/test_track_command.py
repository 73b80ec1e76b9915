"""`vis-bench track`: folders of frames and video files without annotations."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from capped_method import SPEC

from vis_bench.data.predictions import read_results
from vis_bench.data.unlabelled import find_sources
from vis_bench.data.ytvis import read_dataset
from vis_bench.engine.videos import track as work
from vis_bench.errors import DataError
from vis_bench.report.videos.overlay import overlaid
from vis_bench.types import Track

METHOD = f"{Path(__file__).parents[1] / 'engine/capped_method.py'}:SPEC"


@pytest.fixture
def weights(tmp_path):
    from vis_bench.engine.training.weights import save_weights
    from vis_bench.setup.plugins import build_method

    path = tmp_path / "w.safetensors"
    save_weights(path, build_method(SPEC, SPEC.configs["default"], 1).state_dict())
    return path


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("square\n")
    return path


@pytest.fixture
def track(vis_bench, weights, names, tmp_path):
    def call(*videos, options=()):
        return vis_bench(
            "track", *videos, "-m", METHOD, "--weights", weights, "--classes", names, "-o", tmp_path / "out",
            "--device", "cpu", *options,
        )  # fmt: skip

    return call


def test_a_folder_of_videos(track, squares, tmp_path):
    code, _, err = track(squares / "val/JPEGImages", options=("--no-overlay",))
    assert code == 0, err
    assert "the cap of 10 tracks a frame" in err
    dataset = read_dataset(tmp_path / "out/videos.json", None, "t", "t")
    assert [(video.name, video.length) for video in dataset.videos] == [("val0", 4), ("val1", 4)]
    tracks = read_results(tmp_path / "out/results.json", dataset)
    assert len(tracks) == 20
    page = (tmp_path / "out/videos.html").read_text()
    index = json.loads(page.split('id="viewer-index">')[1].split("</script>")[0])
    assert index["truth"] is False
    assert [video["name"] for video in index["videos"]] == ["val0", "val1"]
    assert "http" not in page.split("<body>")[1].split("<script")[0]


def test_max_tracks_and_a_pattern(track, squares, tmp_path):
    code, _, err = track(
        f"{squares}/val/JPEGImages/val*", options=("--no-overlay", "--no-page", "--max-tracks", "20")
    )
    assert code == 0
    assert "the cap" not in err
    assert len(json.loads((tmp_path / "out/results.json").read_text())) == 24
    assert not (tmp_path / "out/videos.html").exists()


def test_results_can_be_scored_later(track, vis_bench, squares, tmp_path):
    """The ids are those of videos.json; with truth of these videos they are predictions like any other."""
    assert track(squares / "val/JPEGImages", options=("--no-overlay", "--no-page"))[0] == 0
    truth = json.loads((tmp_path / "out/videos.json").read_text())
    own = json.loads((squares / "val/instances_val.json").read_text())
    truth["annotations"] = [
        one | {"video_id": one["video_id"] + 1, "category_id": 1} for one in own["annotations"]
    ]
    (tmp_path / "t.json").write_text(json.dumps(truth))
    code, _, err = vis_bench(
        "eval", tmp_path / "out/results.json", "--truth", tmp_path / "t.json", "--metrics", "ap"
    )
    assert code == 0, err


@pytest.mark.parametrize("missing", ["nothing.mp4", "*.nothing"])
def test_no_video(track, tmp_path, missing):
    code, _, err = track(tmp_path / missing, options=("--no-overlay",))
    assert code == 3
    assert "no video here" in err


def test_refused(track, vis_bench, weights, squares, tmp_path):
    code, _, err = vis_bench(
        "track", squares / "val/JPEGImages/val0", "-m", METHOD, "--weights", weights, "-o", tmp_path / "out",
        "--no-overlay",
    )  # fmt: skip
    assert code == 2
    assert "--classes" in err
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    code, _, err = track(squares / "val/JPEGImages/val0", options=("--no-overlay",))
    assert code == 2
    assert "not empty" in err


def interrupted(track, squares, monkeypatch):
    """The command, ended while it tracks the second of two videos; the number of videos tracked by others."""
    real, calls = work.track_video, []

    def stop_at_the_second(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(work, "track_video", stop_at_the_second)
    code, _, err = track(squares / "val/JPEGImages", options=("--no-overlay",))
    assert code == 130
    assert "interrupted; the same command goes on from here." in err
    return calls


def test_the_same_command_goes_on_behind_the_last_video(track, squares, tmp_path, monkeypatch):
    assert track(squares / "val/JPEGImages", options=("--no-overlay",))[0] == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    shutil.rmtree(tmp_path / "out")
    calls = interrupted(track, squares, monkeypatch)
    assert not (tmp_path / "out/results.json").exists()
    code, _, err = track(squares / "val/JPEGImages", options=("--no-overlay",))
    assert code == 0, err
    assert "goes on    1 of 2 videos were done" in err
    # one before the interrupt, the interrupted one twice
    assert len(calls) == 3
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == whole
    # done: nothing is overwritten
    code, _, err = track(squares / "val/JPEGImages", options=("--no-overlay",))
    assert code == 2
    assert "not empty" in err


def test_unfinished_work_of_another_command_is_not_gone_on_with(track, squares, tmp_path, monkeypatch):
    interrupted(track, squares, monkeypatch)
    code, _, err = track(squares / "val/JPEGImages/val0", options=("--no-overlay",))
    assert code == 2
    assert "holds what another command has not finished" in err
    assert (tmp_path / "out/unfinished/request.json").is_file()
    (tmp_path / "names.txt").write_text("circle\n")
    assert track(squares / "val/JPEGImages", options=("--no-overlay",))[0] == 2


def test_a_command_that_failed_before_its_first_video_blocks_no_folder(track, squares, names, monkeypatch):
    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "track_video", fail)
    assert track(squares / "val/JPEGImages/val0", options=("--no-overlay",))[0] == 130
    monkeypatch.undo()
    names.write_text("circle\n")
    code, _, err = track(squares / "val/JPEGImages", options=("--no-overlay",))
    assert code == 0, err


def test_two_videos_of_one_name(squares, tmp_path):
    shutil.copytree(squares / "val/JPEGImages/val0", tmp_path / "other/val0")
    with pytest.raises(DataError, match="two videos have this name"):
        find_sources([str(squares / "val/JPEGImages/val0"), str(tmp_path / "other")])


def test_overlay_draws_class_score_and_colour_at_the_mask():
    from vis_bench.masks.rle import encode
    from vis_bench.report.drawing.palette import identity_colour

    frame = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[30:50, 20:60] = True
    track = Track(1, 1, 0.9, (encode(mask), None))
    drawn = overlaid(frame, [track], 0, {1: "cat"})
    assert tuple(drawn[30, 40]) == identity_colour(0), "the edge has the full colour"
    inside = 0.55 * 100 + 0.45 * np.array(identity_colour(0))
    assert np.abs(drawn[40, 40] - inside).max() <= 1
    assert (drawn[55, 5] == 100).all()
    # the label stands above the mask
    assert (drawn[16:29, 20:60] != 100).any()
    assert (overlaid(frame, [track], 1, {1: "cat"}) == frame).all()
    # the better track is on top
    both = overlaid(frame, [track, track], 0, {1: "cat"})
    assert tuple(both[30, 40]) == identity_colour(0)
    # and no label covers another: that of the second stands below the mask, at the same column
    first, second = ((both[:, 21] == identity_colour(place)).all(axis=1) for place in (0, 1))
    assert np.flatnonzero(first).min() < 30 <= np.flatnonzero(second).min()
    assert second.sum() >= 8


@pytest.fixture
def film(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed")
    from fractions import Fraction

    from vis_bench.data.video_files import writing_video

    path = tmp_path / "film.mp4"
    with writing_video(path, 160, 120, Fraction(5)) as write:
        for frame in range(7):
            picture = np.full((120, 160, 3), 30, np.uint8)
            picture[8:24, 4 * frame : 4 * frame + 16] = 200
            write(picture)
    return path


def test_a_video_file_and_its_overlay(track, film, tmp_path):
    from vis_bench.data.video_files import read_video_frames, video_facts

    facts = video_facts(film)
    assert (facts.width, facts.height, facts.frames, facts.rate) == (160, 120, 7, 5)
    frames = list(read_video_frames(film))
    # what was written is there, to what compression leaves
    assert np.abs(frames[3][16, 20].astype(int) - 200).max() < 25
    assert np.abs(frames[3][4, 40].astype(int) - 30).max() < 25
    code, _, err = track(film)
    assert code == 0, err
    drawn = list(read_video_frames(tmp_path / "out/film.mp4"))
    assert len(drawn) == 7
    # four times larger, so that labels have room
    assert drawn[3].shape == (480, 640, 3)
    larger = frames[3].repeat(4, axis=0).repeat(4, axis=1)
    difference = np.abs(drawn[3].astype(int) - larger.astype(int)).max(axis=2)
    # ten columns of tracks on the left, nothing on the right
    assert difference[80:, :40].mean() > 25
    assert difference[80:, 440:].mean() < 12


def test_a_damaged_video_file(film, track):
    film.write_bytes(film.read_bytes()[:200])
    code, _, err = track(film)
    assert code == 3
    assert "film.mp4" in err


def test_without_pyav_the_install_command_is_named(track, squares, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = track(squares / "val/JPEGImages/val0")
    assert code == 2
    assert "vis-bench[video]" in err
