"""Equal numbers of frames: the iterations that follow, by hand-worked numbers."""

from dataclasses import replace

import pytest

from vis_bench.errors import DataError
from vis_bench.method import ClipSampling
from vis_bench.setup.plugins import load_spec, method_names
from vis_bench.setup.protocol import Protocol, load_protocol, resolve_config
from vis_bench.setup.schedule import (
    Schedule,
    frames_seen,
    frames_with_detection_loss,
    phases_of,
    scheduled,
)

FIVE_CLIPS_FRAMES = 1200


def small(**values):
    return Protocol(name="p", about="", config="tiny", train=Schedule(frames=FIVE_CLIPS_FRAMES, **values))


@pytest.mark.parametrize(
    ("name", "iterations"),
    [
        ("stc", [150]),  # 1,200 frames / (4 pairs of 2)
        ("inspro", [100]),  # 1,200 / (4 clips of 3)
        ("inspro_lite", [50, 30]),  # 600 / 12 and 600 / 20
        ("inspro_lite@K1", [100]),  # key frames only: one phase
    ],
)
def test_iterations_follow_from_frames(name, iterations):
    method, _, variant = name.partition("@")
    _, config = resolve_config(load_spec(method), variant or None, small(), ())
    assert [phase.iterations for phase in phases_of(config)] == iterations
    assert [phase.warmup_iterations for phase in phases_of(config)] == [max(1, i // 20) for i in iterations]
    assert frames_seen(config) == FIVE_CLIPS_FRAMES


@pytest.mark.parametrize("protocol", ["shapes", "video"])
def test_all_methods_see_equally_many_frames(protocol):
    given = load_protocol(protocol)
    seen = {name: frames_seen(resolve_config(load_spec(name), None, given, ())[1]) for name in method_names()}
    assert set(seen.values()) == {given.train.frames}


def test_frames_with_detection_loss_by_hand():
    counts = {}
    for name in ("stc", "masktrack_rcnn", "inspro_lite", "inspro"):
        spec = load_spec(name)
        counts[name] = frames_with_detection_loss(resolve_config(spec, None, small(), ())[1], spec)
    # one frame of each pair; all of the first phase, and 2 of 5 frames of the second
    assert counts == {"stc": 1200, "masktrack_rcnn": 600, "inspro_lite": 600 + 240, "inspro": 1200}


def test_what_is_set_by_hand_stays_and_decides_the_rest():
    spec = load_spec("stc")
    _, config = resolve_config(spec, None, small(window=10), [("train.iterations", "7")])
    assert config.train.iterations == 7
    assert config.train.sampling.window == 10
    _, config = resolve_config(spec, None, small(), [("train.batch_size", "2")])
    assert config.train.iterations == 300


def test_steps_of_the_rate_move_with_the_iterations():
    spec = load_spec("stc")
    tiny = spec.configs["tiny"]
    config = replace(tiny, train=replace(tiny.train, iterations=1000, schedule="step", lr_steps=(500, 900)))
    changed = scheduled(config, spec, Schedule(frames=FIVE_CLIPS_FRAMES), ())
    assert changed.train.lr_steps == (75, 135)


def test_one_window_for_all_and_none_in_the_papers_configuration():
    for name in method_names():
        spec = load_spec(name)
        assert resolve_config(spec, None, small(window=6), ())[1].train.sampling.window == 6
        paper = resolve_config(spec, "paper", small(window=6), ())[1]
        assert paper.train == spec.configs["paper"].train


def test_a_method_without_keys_for_its_phases_keeps_its_own_schedule():
    spec = load_spec("inspro_lite")
    unkeyed = replace(spec, phase_keys=("train",))
    config = spec.configs["tiny"]
    assert scheduled(config, unkeyed, Schedule(frames=FIVE_CLIPS_FRAMES), ()) == config
    assert isinstance(config.train.sampling, ClipSampling)


def test_frames_that_do_not_come_out_even_are_refused(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text('name = "odd"\nabout = ""\nconfig = "tiny"\n[train]\nframes = 1000\n')
    with pytest.raises(DataError, match="multiple of 120"):
        load_protocol(str(path))
