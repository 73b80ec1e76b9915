"""What `vis-bench track` bounds for videos of any length, and that a run bounds nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from capped_method import SPEC

from vis_bench.data.unlabelled import find_sources
from vis_bench.engine.results_spool import ResultsSpool, SpooledMask
from vis_bench.engine.training.weights import save_weights
from vis_bench.engine.videos.track import REMEMBERED, prepare, track_sources
from vis_bench.engine.videos.unfinished import Unfinished
from vis_bench.integrations.frames import frame_spec_values
from vis_bench.setup.config import value_of
from vis_bench.setup.plugins import build_method, load_spec

METHOD = f"{Path(__file__).with_name('capped_method.py')}:SPEC"
REMEMBERS_ALL = ("masktrack_rcnn", "stc", "querytrack", "inspro_tbd")


@pytest.mark.parametrize("method", REMEMBERS_ALL)
def test_track_bounds_the_identities_that_a_run_does_not(method, tmp_path) -> None:
    spec = load_spec(method)
    assert spec.identity_cap is not None
    for config in spec.configs.values():
        assert value_of(config, spec.identity_cap) is None
    (tmp_path / "w.pth").touch()
    (one,) = prepare([f"{method}@tiny"], [str(tmp_path / "w.pth")], None)
    assert value_of(one.config, spec.identity_cap) == REMEMBERED == 1000
    # and under `--associate` too
    assert frame_spec_values(method)["identity_cap"] == f"rule.{spec.identity_cap}"


@pytest.mark.parametrize("method", ["inspro", "inspro_motr", "mask2former_vis"])
def test_others_remember_a_fixed_number(method) -> None:
    assert load_spec(method).identity_cap is None


def tracked(squares, tmp_path, spool, **changes):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_method(SPEC, SPEC.configs["default"], 1).state_dict())
    (one,) = prepare([METHOD], [str(path)], None)
    one = dataclasses.replace(one, spec=dataclasses.replace(one.spec, **changes))
    sources = find_sources([str(squares / "val/JPEGImages")])
    unfinished = Unfinished.open(tmp_path / "out", {})
    try:
        return track_sources(one, sources, ["square"], "cpu", lambda *_: None, spool, unfinished)
    finally:
        unfinished.remove()


def test_masks_of_an_on_line_method_stay_on_disk(squares, tmp_path) -> None:
    with ResultsSpool(tmp_path) as spool:
        tracks, ahead, _ = tracked(squares, tmp_path, spool)
        assert ahead == 0
        # ten tracks of four frames in each of two videos
        masks = [mask for track in tracks for mask in track.segmentations]
        assert len(masks) == 80
        assert all(isinstance(mask, SpooledMask) for mask in masks)
        # the best first, video by video
        scores = [track.score for track in tracks if track.video_id == 1]
        assert scores == sorted(scores, reverse=True)
        assert [track.video_id for track in tracks] == [1] * 10 + [2] * 10


def test_more_identities_than_are_remembered_is_said(squares, tmp_path) -> None:
    with ResultsSpool(tmp_path) as spool:
        # `most` of that method stands for the bound: 10 tracks are not more than it
        notes = tracked(squares, tmp_path, spool, identity_cap="most", track_cap=None)[2]
        assert notes == []
        # another field, which is 0
        (note,) = tracked(squares, tmp_path, spool, identity_cap="helpers", track_cap=None)[2]
    assert note.startswith("val0, val1: more than 0 identities (helpers)")
