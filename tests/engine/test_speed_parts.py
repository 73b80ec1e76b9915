"""Clock, stages, audits, memory and locks of `vis-bench speed`, with methods of known cost."""

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from vis_bench.engine.process.busy import LOCK_NAME, machine_alone, machine_shared
from vis_bench.engine.speed import clock as clock_module
from vis_bench.engine.speed.audit import repeated_video, same_predictions
from vis_bench.engine.speed.clock import StageClock
from vis_bench.engine.speed.marks import all_stages
from vis_bench.engine.speed.material import (
    in_memory,
    of_length,
    one_per_shape,
    timed_videos,
    videos_with_objects,
)
from vis_bench.engine.speed.memory import memory_facts, reset_peak
from vis_bench.engine.speed.prepare import effort_of
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.engine.speed.scenario import _percentiles, time_repeat, tracks_digest, video_key
from vis_bench.engine.speed.stages import stage_breakdown, summed
from vis_bench.engine.speed.task import SpeedTask, build, open_task_data
from vis_bench.engine.track import track_video
from vis_bench.errors import UsageError
from vis_bench.masks import rle
from vis_bench.records.speed import Repeat, SpeedProtocol
from vis_bench.types import Video

TOYS = Path(__file__).parent / "speed_toys.py"
SLEEP = 0.002
PROTOCOL = SpeedProtocol(scenario="stream", device_kind="cpu", frames=24, repeats=1, short=True)


@pytest.fixture
def opened(squares):
    """`spec, model, dataset = opened("SLEEPER")`; two videos of four frames."""

    def call(name):
        task = SpeedTask(
            kind="time", method=f"{TOYS}:{name}", config="tiny", dataset=str(squares), split="val",
            protocol=PROTOCOL,
        )  # fmt: skip
        dataset = open_task_data(task)
        spec, model = build(task, dataset)
        return spec, model, dataset

    return call


def timed(opened, name, protocol=PROTOCOL, frames=24):
    spec, model, dataset = opened(name)
    videos = timed_videos(dataset, frames, short=True)
    result = time_repeat(model, spec.info, dataset, videos, Place(), protocol)
    return Repeat.model_validate(result["repeat"]), result


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on by one second whenever it is read."""
    ticks = count()
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: float(next(ticks)))


@pytest.mark.usefixtures("ticking")
def test_a_stage_is_not_charged_for_the_stages_inside_it():
    clock = StageClock()
    with clock.running():  # 0
        clock.enter("outer")  # 1: harness 1
        clock.enter("inner")  # 2: outer 1
        clock.leave()  # 3: inner 1
        clock.leave()  # 4: outer 2
    # 5: harness 2
    assert dict(clock.seconds) == {"harness": 2.0, "outer": 2.0, "inner": 1.0}


@pytest.mark.usefixtures("ticking")
def test_a_generator_is_charged_while_it_computes_only():
    clock = StageClock()

    def three() -> Iterator[int]:
        for number in range(3):
            with clock.stage("inside"):
                pass
            yield number

    with clock.running():
        assert list(clock.timed(three, "generator")()) == [0, 1, 2]
    # making it, and each of three items: before and after `inside`; the end: once
    assert clock.seconds["generator"] == 1 + 3 * 2 + 1
    assert clock.seconds["inside"] == 3


def test_latency_and_rate_are_those_of_the_method(opened):
    repeat, result = timed(opened, "SLEEPER")
    assert repeat.latency_ms is not None
    assert repeat.latency_ms.p50 >= 1000 * SLEEP
    assert repeat.end_to_end_seconds >= 24 * SLEEP
    assert 24 * SLEEP <= repeat.model_only_seconds <= 24 * SLEEP * 20
    assert repeat.harness_seconds < 0.5 * repeat.end_to_end_seconds
    assert repeat.look_ahead_frames == 0
    assert result["tracks_per_frame"] == 1.0


def test_reading_ahead_is_measured_and_costs_latency(opened):
    repeat, _ = timed(opened, "READS_AHEAD")
    assert repeat.look_ahead_frames == 2
    assert repeat.latency_ms is not None
    # three frames are worked on between handing over a frame and its result, but for those at the ends
    assert repeat.latency_ms.p90 >= 1000 * 3 * SLEEP


def test_whole_tracks_have_no_latency(opened):
    repeat, _ = timed(opened, "OFFLINE")
    assert repeat.latency_ms is None
    assert repeat.look_ahead_frames == 3


def test_offline_scenario_and_one_video_have_no_percentiles(opened):
    assert timed(opened, "SLEEPER", PROTOCOL.model_copy(update={"scenario": "offline"}))[0].latency_ms is None
    assert timed(opened, "SLEEPER", frames=4)[0].latency_ms is None


def test_p99_takes_a_thousand_frames():
    assert _percentiles([0.001] * 999).p99 is None
    milliseconds = _percentiles([0.001 * value for value in range(1, 1001)])
    assert milliseconds.p50 == pytest.approx(500.5)
    assert milliseconds.p99 == pytest.approx(990.01)


def test_stages_name_what_takes_the_time(opened):
    spec, model, dataset = opened("SLEEPER")
    stages = stage_breakdown(model, spec.info, dataset, dataset.videos, Place())
    assert stages.seconds["backbone"] >= 8 * SLEEP
    assert stages.seconds["decode"] > 0
    assert stages.seconds["RLE"] > 0
    assert stages.seconds["device to host"] > 0
    total = sum(stages.seconds.values()) + stages.unaccounted_seconds
    assert total == pytest.approx(stages.wall_seconds)
    assert stages.seconds["backbone"] > 0.5 * (stages.wall_seconds - stages.seconds["decode"])


def test_more_than_two_per_cent_unaccounted_is_flagged():
    assert summed({"backbone": 0.979, "method": 0.021}, 1.0).flagged
    fine = summed({"backbone": 0.9, "heads": 0.085, "method": 0.015}, 1.0)
    assert not fine.flagged
    assert fine.explained == pytest.approx(0.985)
    assert fine.unaccounted_seconds == pytest.approx(0.015)


def test_marks_leave_nothing_behind(opened):
    _, model, _ = opened("SLEEPER")
    module = sys.modules[type(model).__module__]
    before = (torch.Tensor.cpu, rle.encode_or_none, module.encode_or_none, dict(vars(type(model))))
    with all_stages(model, StageClock()):
        assert torch.Tensor.cpu is not before[0]
        assert rle.encode_or_none is not before[1]
        assert module.encode_or_none is not before[2]
    assert (torch.Tensor.cpu, rle.encode_or_none, module.encode_or_none, dict(vars(type(model)))) == before
    assert "cpu" not in vars(torch.Tensor)
    assert not model.backbone._forward_hooks


def scored(spec, model, dataset, videos):
    return {
        video_key(video): tracks_digest(track_video(model, dataset, video, "cpu", spec.info.iou_type).tracks)
        for video in videos
    }


def test_audit_of_predictions_passes_and_fails(opened):
    for name, ok in (("SLEEPER", True), ("WAVERS", False)):
        _, result = timed(opened, name, frames=16)
        spec, model, dataset = opened(name)
        audit = same_predictions([result["digests"]], scored(spec, model, dataset, dataset.videos))
        assert audit.ok is ok, name


def test_a_second_process_that_differs_fails_the_audit():
    scored_digests = {"1:4": "a", "2:4": "b"}
    good = {"1:4": ["a"], "2:4": ["b"]}
    assert same_predictions([good, good], scored_digests).ok
    wrong = same_predictions([good, {"1:4": ["a"], "2:4": ["c"]}], scored_digests)
    assert not wrong.ok
    assert "1 of 2 videos differ (first: id 2)" in wrong.detail
    assert same_predictions([], scored_digests).ok is None


def test_a_method_that_remembers_frames_fails_the_audit(opened):
    for name, ok in (("SLEEPER", True), ("REMEMBERS", False)):
        spec, model, dataset = opened(name)
        assert repeated_video(model, spec.info, dataset, Place()).ok is ok, name


def test_decoding_is_not_part_of_frames_in_memory(opened):
    _, model, dataset = opened("SLEEPER")
    video = dataset.videos[0]
    frames = in_memory(dataset, video)
    given = drive(model, dataset, video, Place(), "segm", frames)
    read = drive(model, dataset, video, Place(), "segm")
    assert given.tracks == read.tracks
    assert read.stages["decode"] > 5 * given.stages["decode"]


def test_frames_in_memory_can_be_mirrored(opened):
    _, _, dataset = opened("SLEEPER")
    plain, mirrored = (in_memory(dataset, dataset.videos[0], flag)[0] for flag in (False, True))
    np.testing.assert_array_equal(plain.numpy()[:, :, ::-1], mirrored.numpy())


def test_enough_frames_are_timed(opened):
    _, _, dataset = opened("SLEEPER")
    assert [video.length for video in timed_videos(dataset, 10, short=False)] == [4, 4, 4]
    short = timed_videos(dataset, 10, short=True)
    assert [(video.id, video.length) for video in short] == [(0, 4), (1, 4), (0, 2)]


def test_a_long_video_goes_back_and_forth():
    video = Video(1, "v", 8, 8, ("a", "b", "c", "d"))
    assert "".join(of_length(video, 9).file_names) == "abcdcbabc"
    assert of_length(Video(1, "v", 8, 8, ("a",)), 3).file_names == ("a", "a", "a")


def test_every_input_shape_is_warmed_up():
    videos = [
        Video(1, "a", 8, 8, ("0",) * 12),
        Video(2, "b", 8, 8, ("0",) * 5),
        Video(3, "c", 16, 8, ("0",) * 12),
    ]
    assert [(video.id, video.length) for video in one_per_shape(videos, online=True)] == [(1, 8), (3, 8)]
    assert [video.id for video in one_per_shape(videos, online=False)] == [1, 2, 3]


def test_videos_are_chosen_by_their_objects(opened):
    _, _, dataset = opened("SLEEPER")
    assert len(videos_with_objects(dataset, 1)) == 2
    assert videos_with_objects(dataset, 2) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_peak_memory_is_that_since_the_reset():
    assert reset_peak("cpu")
    before = memory_facts("cpu")["peak_bytes"]
    block = np.ones(25_000_000)
    del block
    assert memory_facts("cpu")["peak_bytes"] - before > 150e6
    reset_peak("cpu")
    assert memory_facts("cpu")["peak_bytes"] - before < 50e6


def test_every_value_of_the_protocol_is_in_its_hash():
    changes = {
        "scenario": "offline", "device_kind": "cuda", "precision": "bf16", "compile": True, "threads": 2,
        "frames": 25, "repeats": 2, "short": False, "rules": "speed-0", "seconds": 5.0,
        "warm_up_seconds": 2.0, "warm_up_frames": 20, "pinned": True, "end_to_end_only": True,
    }  # fmt: skip
    assert set(changes) == set(SpeedProtocol.model_fields)
    hashes = {PROTOCOL.model_copy(update={name: value}).content_hash() for name, value in changes.items()}
    assert len(hashes | {PROTOCOL.content_hash()}) == len(changes) + 1


def test_protocols_of_cpus_keep_the_hashes_of_their_records():
    # as committed records name them, before there were fields for GPUs
    default = SpeedProtocol(scenario="stream", device_kind="cpu")
    assert default.content_hash() == "9c1521ea179226a0b283c71587cbd1091903b837d6420af09c0c650a1069e7e4"
    short = SpeedProtocol(scenario="offline", device_kind="cpu", short=True, frames=20, precision="bf16")
    assert short.content_hash() == "dc30d9746cbcf5199c5fa85009df3e9ec21fae8da6e1376491a01a913c547ab6"
    for kind in (False, True):
        effort = effort_of("cpu", kind)
        assert set(effort) == {"frames"}
    assert SpeedProtocol(scenario="stream", device_kind="cpu", **effort_of("cpu", False)) == default


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
def test_speed_wants_the_machine_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path))
    with machine_shared(), machine_shared():
        with (
            pytest.raises(UsageError, match=f"{LOCK_NAME}.*another vis-bench job") as refusal,
            machine_alone(),
        ):
            pass
        assert "Wait for it" in str(refusal.value)
    with machine_alone():
        with pytest.raises(UsageError, match="vis-bench speed"), machine_shared():
            pass
        with pytest.raises(UsageError, match="another vis-bench job"), machine_alone():
            pass
