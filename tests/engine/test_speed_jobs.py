"""How long a measurement takes, and what a record says of its circumstances."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from vis_bench.engine.speed.assemble import _load_notes, _queue_notes
from vis_bench.engine.speed.jobs import earlier_rates, expected_seconds, speed_jobs, with_result
from vis_bench.engine.speed.measure import forecast
from vis_bench.engine.speed.plan import SpeedSettings, plan_speed, protocols_for
from vis_bench.files import write_json

TOYS = Path(__file__).parent / "speed_toys.py"


@pytest.fixture
def jobs(squares, tmp_path):
    """Of two methods, 20 frames (two videos of four), both scenarios, two repeats."""
    protocols = protocols_for(["stream", "offline"], device_kind="cpu", frames=20, repeats=2, short=True)
    settings = SpeedSettings(str(squares), "val", protocols, tmp_path / "speed")
    plans, dataset = plan_speed([f"{TOYS}:SLEEPER", f"{TOYS}:OFFLINE"], settings)
    return speed_jobs(plans, dataset)


def test_a_job_knows_its_frames(jobs):
    assert len(jobs) == 2 * 2 * 2 + 2
    assert [job.what for job in jobs[:3]] == ["stream 1", "offline 1", "stream 1"]
    # three passes over 20 frames
    assert {job.frames for job in jobs[:8]} == {60}
    # stages and scored tracks of the distinct videos (4 + 4), and 2 videos of 4 frames shown 4 times
    assert {job.frames for job in jobs[8:]} == {2 * 8 + 4 * 8}


def test_time_left_is_that_of_processes_that_ended(jobs):
    assert expected_seconds(jobs, {}) == (None, ["sleeper@tiny", "offline_sleeper@tiny"])
    rates = with_result({}, "sleeper@tiny", {"process_seconds": 30.0, "process_frames": 60})
    rates = with_result(rates, "sleeper@tiny", {"process_seconds": 18.0, "process_frames": 36})
    assert rates == {"sleeper@tiny": (48.0, 96)}
    assert with_result(rates, "sleeper@tiny", {"error": "x"}) == rates
    # half a second per frame, for the method that was never measured too
    seconds, unknown = expected_seconds(jobs, rates)
    assert seconds == pytest.approx((8 * 60 + 2 * 48) / 2)
    assert unknown == ["offline_sleeper@tiny"]


def test_results_of_other_code_tell_the_time_too(jobs):
    assert "is not known" in forecast(jobs)
    place = jobs[0].plan.directory.parent / "sleeper@tiny-01234567"
    write_json(place / "stream-0.json", {"process_seconds": 60.0, "process_frames": 60})
    write_json(place / "stream-1.task.json", {"process_seconds": 1e9, "process_frames": 1})
    assert earlier_rates(jobs) == {"sleeper@tiny": (60.0, 60)}
    assert forecast(jobs).startswith("10 processes, 0 cached; the others take about 10 min")
    assert forecast(jobs).endswith("offline_sleeper@tiny")
    write_json(jobs[0].target, {"process_seconds": 60.0, "process_frames": 60})
    assert "10 processes, 1 cached; the others take about 9 min" in forecast(jobs)


@dataclass(frozen=True)
class Circumstances:
    """What the notes read of a repeat."""

    end_to_end_seconds: float = 10.0
    queue_seconds: float | None = 0.0


def test_other_programs_are_named():
    assert _load_notes([{"load_before": 0.2}, {"load_before": None}, {}]) == []
    assert "load average 3.1" in _load_notes([{"load_before": 0.2}, {"load_before": 3.06}])[0]
    assert _queue_notes([Circumstances(queue_seconds=0.4), Circumstances(queue_seconds=None)]) == []
    (note,) = _queue_notes([Circumstances(queue_seconds=value) for value in (0.1, 2.5, 9.0)])
    assert "no processor for 25% of the time" in note


def test_time_ends_a_repeat_in_the_estimate_too(squares, tmp_path):
    limited = {"seconds": 5.0, "warm_up_seconds": 2.0}
    protocols = protocols_for(["stream"], device_kind="cpu", frames=20, repeats=1, short=True, **limited)
    settings = SpeedSettings(str(squares), "val", protocols, tmp_path / "speed")
    jobs = speed_jobs(*plan_speed([f"{TOYS}:SLEEPER"], settings))
    slow, fast = {"sleeper@tiny": (60.0, 60)}, {"sleeper@tiny": (0.6, 60)}
    # three passes of 5 s after 2 s, and 2 * 8 + 4 * 8 frames of stages and audits at a second each
    assert expected_seconds(jobs, slow)[0] == pytest.approx(17 + 48)
    assert expected_seconds(jobs, fast)[0] == pytest.approx((60 + 48) / 100)
