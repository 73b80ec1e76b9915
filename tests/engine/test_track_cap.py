"""`--max-tracks`: raised where asked, said where it cuts, in no record or hash where it is the usual."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import toy_method
from capped_method import SPEC

from vis_bench.data.catalog import open_dataset
from vis_bench.engine.track_cap import cap_note, cap_values, cap_warning
from vis_bench.errors import UsageError
from vis_bench.setup.config import override
from vis_bench.setup.plugins import load_spec, method_names
from vis_bench.types import Track

METHOD = f"{Path(__file__).with_name('capped_method.py')}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*arguments):
        code, out, err = vis_bench(
            "run", "-m", METHOD, "-d", squares, "--split", "val", "--protocol", protocol, "--device", "cpu",
            "--out", tmp_path / "runs", "--json", "-", "--jobs", "1", *arguments,
        )  # fmt: skip
        return code, json.loads(out)[0] if code == 0 else None, err

    return call


@pytest.mark.slow
def test_the_cap_cuts_aloud_and_can_be_raised(run):
    code, usual, err = run()
    assert code == 0
    assert "the cap of 10 tracks a frame (most) was reached in 8 of 8 frames" in err
    code, same, _ = run("--max-tracks", "10")
    assert same["run_hash"] == usual["run_hash"]
    assert same["overrides"] == {}
    code, raised, err = run("--max-tracks", "20")
    assert code == 0
    assert raised["overrides"] == {"most": "20"}
    assert raised["config_values"]["most"] == 20
    assert "the cap of" not in err
    # tracking alone differs: the weights are those of before
    assert raised["run_hash"] != usual["run_hash"]
    assert raised["checkpoint_hash"] == usual["checkpoint_hash"]
    assert raised["timing"]["train_seconds"] == usual["timing"]["train_seconds"]


def test_values():
    assert cap_values(SPEC, None) == cap_values(SPEC, 10) == ()
    assert cap_values(SPEC, 33) == (("most", "33"),)
    assert cap_values(toy_method.SPEC, 10) == ()
    with pytest.raises(UsageError, match="names no cap"):
        cap_values(toy_method.SPEC, 33)


def test_videos_and_frames_at_the_cap_are_counted(squares):
    dataset = open_dataset(squares, "val")
    mask = dataset.tracks[0].segmentations[0]
    here = Track(0, 0, 0.9, (mask, None, mask, None))
    config = SPEC.configs["default"]
    at_two = override(config, {"most": 2})
    assert cap_note(SPEC, at_two, dataset, [here]) is None
    assert "in 2 of 8 frames" in cap_note(SPEC, at_two, dataset, [here, here])
    by_video = MethodOf("video")
    assert "in 1 of 2 videos" in cap_note(by_video, at_two, dataset, [here, here])
    assert cap_note(toy_method.SPEC, toy_method.SPEC.configs["default"], dataset, [here] * 50) is None


def test_a_cap_that_no_method_names_shows_as_one_number_again_and_again(squares):
    dataset = open_dataset(squares, "val")
    videos = [video.id for video in dataset.videos]
    (one, *_) = dataset.tracks

    def said(found, held):
        tracks = [Track(videos[at], 0, 0.9, (None,)) for at in (0, 1) for _ in range(found[at])]
        truth = [replace(one, video_id=videos[at]) for at in (0, 1) for _ in range(held[at])]
        return cap_note(toy_method.SPEC, None, replace(dataset, tracks=tuple(truth)), tracks)

    assert said((10, 10), (11, 10)) == (
        "2 of 2 videos came out with 10 tracks and none with more, while 1 of the 2 hold more objects: it "
        "looks like a cap, and toy names none (MethodSpec.track_cap), so that --max-tracks cannot raise it; "
        "look for it in its own code and configuration"
    )
    # one video alone may hold as many by chance, and nothing is cut where no more is there
    assert said((10, 9), (11, 11)) is None
    assert said((10, 10), (10, 10)) is None
    # a weak model finds few
    assert said((9, 9), (11, 11)) is None
    assert said((0, 0), (11, 11)) is None
    hidden = replace(dataset, tracks=None)
    assert cap_note(toy_method.SPEC, None, hidden, [Track(videos[0], 0, 0.9, (None,))] * 10) is None


def test_more_objects_than_tracks_are_said_before_the_training(squares):
    dataset = open_dataset(squares, "val")
    (first, *_) = dataset.tracks
    videos, frames = len(dataset.videos), sum(video.length for video in dataset.videos)
    crowd = replace(first, is_crowd=True)
    absent = (None,) * len(first.boxes)
    gone = replace(first, boxes=absent, segmentations=absent)
    crowded = replace(dataset, tracks=(*[first] * 11, crowd, gone))
    config = SPEC.configs["default"]
    by_video = MethodOf("video")
    assert cap_warning([(SPEC, config), (by_video, config)], dataset) is None
    assert cap_warning([(SPEC, config)], replace(dataset, tracks=None)) is None
    said = cap_warning([(SPEC, config), (by_video, config)], crowded)
    shown = sum(box is not None for box in first.boxes)
    assert said == (
        f"{shown} of {frames} frames hold more objects (up to 11) than the 10 tracks a frame of toy; "
        f"1 of {videos} videos hold more objects (up to 12) than the 10 tracks a video of toy: "
        "--max-tracks raises the cap"
    )
    assert cap_warning([(by_video, override(config, {"most": 12}))], crowded) is None


def test_a_dry_run_says_it_too(vis_bench, squares, protocol, tmp_path):
    code, _, err = vis_bench(
        "run", "-m", METHOD, "-d", squares, "--split", "val", "--protocol", protocol, "--device", "cpu",
        "--out", tmp_path / "runs", "--dry-run", "--set", "most=0",
    )  # fmt: skip
    assert code == 0
    assert "than the 0 tracks a frame of toy: --max-tracks raises the cap" in " ".join(err.split())


def MethodOf(kind):
    return replace(SPEC, track_cap=("most", kind))


def test_every_method_of_ours_names_its_cap():
    for name in method_names():
        spec = load_spec(name)
        assert spec.track_cap is not None, name
        for config in spec.configs.values():
            assert getattr(config, spec.track_cap[0]) == 10, name
