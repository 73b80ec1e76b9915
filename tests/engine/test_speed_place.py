"""Where and how a measurement computes: precision, page-locked frames, memory, what GPUs get by default."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from vis_bench.engine.process import devices
from vis_bench.engine.speed import measure, prepare, scenario, worker
from vis_bench.engine.speed.jobs import speed_jobs
from vis_bench.engine.speed.material import in_memory
from vis_bench.engine.speed.measure import perform
from vis_bench.engine.speed.memory import memory_facts, reset_peak
from vis_bench.engine.speed.plan import SpeedSettings, plan_speed, protocols_for
from vis_bench.engine.speed.probe import Place, drive
from vis_bench.engine.speed.task import SpeedTask, build, open_task_data, place_of
from vis_bench.engine.track import track_video
from vis_bench.errors import UsageError
from vis_bench.files import read_json
from vis_bench.records.speed import SpeedProtocol

TOYS = Path(__file__).parent / "speed_toys.py"


@pytest.fixture
def task(squares):
    """Of the sleeping toy, its protocol changed as given."""

    def call(**changes):
        protocol = SpeedProtocol(
            scenario="stream", device_kind="cpu", frames=4, repeats=1, short=True, **changes
        )
        return SpeedTask(
            kind="time", method=f"{TOYS}:SLEEPER", config="tiny", dataset=str(squares), split="val",
            protocol=protocol,
        )  # fmt: skip

    return call


@pytest.fixture
def pins(monkeypatch):
    """Tensors that were page-locked, and the ways in which tensors were copied."""
    seen = {"pinned": 0, "non_blocking": []}
    plain = torch.Tensor.to

    def pin(tensor):
        seen["pinned"] += 1
        return tensor

    def copy(tensor, *arguments, non_blocking=False, **named):
        if arguments == ("cpu",):
            seen["non_blocking"].append(non_blocking)
        return plain(tensor, *arguments, **named)

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", copy)
    return seen


def test_frames_are_pinned_and_copied_beside_the_work(task, pins):
    given = task(pinned=True)
    dataset = open_task_data(given)
    spec, model = build(given, dataset)
    video, place = dataset.videos[0], place_of(given)
    assert place.pinned
    frames = in_memory(dataset, video, pinned=place.pinned)
    assert pins["pinned"] == 4
    drive(model, dataset, video, place, spec.info.iou_type, frames)
    assert pins["non_blocking"] == [True] * 4
    # frames that are decoded on the way lie in ordinary memory
    pins["non_blocking"].clear()
    drive(model, dataset, video, place, spec.info.iou_type)
    drive(model, dataset, video, Place(), spec.info.iou_type, in_memory(dataset, video))
    assert pins["non_blocking"] == [False] * 8
    assert pins["pinned"] == 4


@pytest.mark.parametrize("word", ["fp32", "bf16"])
def test_a_passage_computes_in_its_precision(task, word):
    given = task(precision=word)
    dataset = open_task_data(given)
    spec, model = build(given, dataset)
    seen = set()
    plain = model.result

    def result(index, frame):
        seen.add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return plain(index, frame)

    model.result = result
    drive(model, dataset, dataset.videos[0], place_of(given), spec.info.iou_type)
    assert seen == {{"fp32": torch.float32, "bf16": torch.bfloat16}[word]}


def test_host_and_device_memory_stand_apart(monkeypatch):
    reset = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 7)
    reset_peak("cuda:0")
    assert reset == ["cuda:0"]
    facts = memory_facts("cuda:0")
    assert (facts["peak_bytes"], facts["reserved_bytes"]) == (5, 7)
    assert facts["host_peak_bytes"] > 50e6
    assert set(memory_facts("cpu")) == {"kind", "peak_bytes"}


def test_a_gpu_is_measured_for_a_minute_after_ten_seconds(squares, monkeypatch, tmp_path):
    monkeypatch.setattr(prepare, "require_torch", lambda device: None)
    monkeypatch.setattr(devices, "cuda_count", lambda: 1)

    def protocol(**options):
        found = prepare.prepare(
            f"{TOYS}:SLEEPER", str(squares), split="val", device="cuda:0", out=tmp_path, **options
        )
        return found.plans[0].settings.protocols[0]

    full = protocol(precision="fp16")
    assert (full.frames, full.seconds, full.warm_up_seconds, full.warm_up_frames) == (2000, 60.0, 10.0, 200)
    assert (full.pinned, full.device_kind, full.precision) == (True, "cuda", "fp16")
    short = protocol(short=True)
    assert (short.frames, short.seconds, short.warm_up_seconds, short.short) == (2000, 5.0, 2.0, True)
    with pytest.raises(UsageError, match=r"at least 2000 frames\. Add --short"):
        protocol(frames=500)


def test_the_state_of_the_card_is_in_the_record(task, monkeypatch):
    monkeypatch.setattr(worker, "gpu_state", lambda device: {"driver": "580.1"})
    assert worker.perform(task())["hardware"]["driver"] == "580.1"


def test_a_process_that_time_ended_is_counted_by_what_it_saw(squares, tmp_path, monkeypatch):
    protocols = protocols_for(["stream"], device_kind="cpu", frames=20, repeats=1, short=True)
    settings = SpeedSettings(str(squares), "val", protocols, tmp_path / "speed")
    first, *_ = speed_jobs(*plan_speed([f"{TOYS}:SLEEPER"], settings))
    monkeypatch.setattr(measure, "run_process", lambda task, target: {"frames": 7})
    assert perform([first], lambda text: None) == {}
    # three passes over seven frames, not over 20
    assert read_json(first.target)["process_frames"] == 21


def test_the_card_is_watched_during_the_end_to_end_pass_alone(task, monkeypatch):
    watched, passes = [False], []

    class Sampler:
        def __init__(self, device):
            pass

        @contextmanager
        def running(self):
            yield self

        @contextmanager
        def watching(self):
            watched[0] = True
            yield
            watched[0] = False

        def summary(self):
            return {"samples": 3}

    def driven(*arguments, **named):
        passes.append(watched[0])
        return drive(*arguments, **named)

    monkeypatch.setattr(scenario, "GpuSampler", Sampler)
    monkeypatch.setattr(scenario, "drive", driven)
    result = worker.perform(task())
    assert passes == [True, False, False]
    assert result["repeat"]["gpu_samples"] == {"samples": 3}


@pytest.mark.parametrize("word", ["fp32", "bf16"])
def test_the_scored_tracks_of_the_audit_have_the_same_precision(task, word, monkeypatch):
    seen = set()

    def tracked(*arguments):
        seen.add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return track_video(*arguments)

    monkeypatch.setattr(worker, "track_video", tracked)
    worker.perform(task(precision=word).model_copy(update={"kind": "inspect"}))
    assert seen == {{"fp32": torch.float32, "bf16": torch.bfloat16}[word]}


def test_another_limit_has_another_folder(squares, tmp_path):
    folders = []
    for changes in ({}, {"seconds": 5.0}, {"warm_up_seconds": 2.0}, {"precision": "bf16"}):
        protocols = protocols_for(["stream"], device_kind="cpu", short=True, **changes)
        settings = SpeedSettings(str(squares), "val", protocols, tmp_path / "speed")
        folders.append(plan_speed([f"{TOYS}:SLEEPER"], settings)[0][0].directory)
    assert len(set(folders)) == 4
