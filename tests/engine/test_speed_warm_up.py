"""Warm-up until the time per frame is stable, and repeats that time ends."""

from pathlib import Path

import pytest

from vis_bench.engine.speed.material import timed_videos
from vis_bench.engine.speed.prepare import effort_of
from vis_bench.engine.speed.probe import Place
from vis_bench.engine.speed.scenario import time_repeat
from vis_bench.engine.speed.task import SpeedTask, build, open_task_data
from vis_bench.engine.speed.warm_up import is_stable, last_change, settle
from vis_bench.records.speed import Repeat, SpeedProtocol

TOYS = Path(__file__).parent / "speed_toys.py"


def test_stable_is_the_last_third_beside_the_middle_one():
    # medians 10 and 10.2 of the last two thirds; what came before counts for nothing
    assert last_change([90, 50, 30, 10, 10, 11, 10.2, 10.2, 30]) == pytest.approx(0.02)
    assert is_stable([90, 50, 30, 10, 10, 11, 10.1, 10.1, 30])
    assert not is_stable([90, 50, 30, 10, 10, 11, 10.3, 10.3, 30])
    assert not is_stable([10, 10, 10, 10, 10, 10, 9.7, 9.7, 9.7])
    # a time that falls with every round, by 1 % each: the thirds lie two rounds apart
    falling = [100 * 0.99**number for number in range(6)]
    assert last_change(falling) == pytest.approx(1 - 0.99**2)
    assert is_stable(falling)
    assert not is_stable([100 * 0.98**number for number in range(6)])


def test_few_times_tell_nothing():
    assert last_change([1.0] * 5) is None
    assert not is_stable([1.0] * 5)
    assert is_stable([1.0] * 6)


def rounds(times, frames=10):
    """A round of 10 frames that takes so many seconds, the last one for ever."""
    left = list(times)
    return lambda: (left.pop(0) if len(left) > 1 else left[0], frames)


def test_it_goes_on_until_seconds_frames_and_time_are_enough():
    # 12 s are over after six rounds of 2 s, 60 frames
    assert settle(rounds([2.0]), 12.0, 60).rounds == 6
    assert settle(rounds([2.0]), 15.0, 60).rounds == 8
    frames = settle(rounds([2.0]), 12.0, 101)
    assert (frames.rounds, frames.frames, frames.seconds, frames.stable) == (11, 110, 22.0, True)
    # thirds of two rounds: 3 3 | 3 3 | 2 2, then 3 2 and 2 2, and at last 2 2 and 2 2
    slow = settle(rounds([3.0] * 4 + [2.0]), 12.0, 60)
    assert (slow.rounds, slow.stable, slow.last_change) == (8, True, 0.0)


def test_it_ends_where_time_never_settles():
    left = iter(range(1, 1000))
    result = settle(lambda: (1.0 + 0.1 * next(left), 1), 5.0, 1)
    assert result.seconds >= 6 * 5.0
    assert result.seconds < 6 * 5.0 + 4
    assert result.stable is False


def test_cpus_repeat_nothing():
    def never():
        raise AssertionError

    assert settle(never, 0.0, 0).rounds == 0
    assert effort_of("cuda", False) == {
        "frames": 2000, "seconds": 60.0, "warm_up_seconds": 10.0, "warm_up_frames": 200, "pinned": True,
    }  # fmt: skip


@pytest.fixture
def measured(squares):
    """A repeat of the sleeping toy under a protocol of 240 frames, changed as given, with its result."""

    def call(**changes):
        protocol = SpeedProtocol(
            scenario="stream", device_kind="cpu", frames=240, repeats=1, short=True, **changes
        )
        task = SpeedTask(
            kind="time", method=f"{TOYS}:SLEEPER", config="tiny", dataset=str(squares), split="val",
            protocol=protocol,
        )  # fmt: skip
        dataset = open_task_data(task)
        spec, model = build(task, dataset)
        videos = timed_videos(dataset, 240, short=True)
        result = time_repeat(model, spec.info, dataset, videos, Place(), protocol)
        return Repeat.model_validate(result["repeat"]), result

    return call


def test_a_repeat_ends_by_time_and_says_how_far_it_came(measured):
    # a frame sleeps 2 ms, a video has four of them
    repeat, result = measured(seconds=0.02, warm_up_seconds=0.05, warm_up_frames=30)
    assert repeat.frames == result["frames"]
    assert 4 <= result["frames"] <= 16
    assert repeat.end_to_end_seconds >= 0.02
    assert sum(len(found) for found in result["digests"].values()) == result["videos"]
    assert repeat.warm_up is not None
    assert repeat.warm_up.frames >= 30
    assert repeat.warm_up.seconds >= 0.05
    assert repeat.model_only_seconds > 0


def test_one_pass_alone_is_possible(measured):
    repeat, result = measured(seconds=0.02, end_to_end_only=True)
    assert (repeat.model_only_seconds, repeat.with_decoding_seconds) == (0.0, 0.0)
    assert repeat.model_latency_ms is None
    assert (repeat.warm_up, repeat.frames) == (None, result["frames"])
