"""What a measurement knows of its GPU, from a made-up NVML: samples, state, company, and its notes."""

import os
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from vis_bench.engine.speed.gpu import GpuSampler, gpu_facts, gpu_state, summarised
from vis_bench.engine.speed.gpu_notes import gpu_notes, reasons_text
from vis_bench.engine.speed.nvml import CardNow, NvmlMissingError, open_card
from vis_bench.engine.speed.own_process import Neighbours, OnCard, neighbours, own_pids
from vis_bench.records.speed import Repeat, WarmUp

UUID = "01234567-89ab"
GB = 1 << 30


class FakeNvml:
    """A card at 1,980 MHz and 350.5 W, held down by its power cap; not every function is supported."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        pass

    def __init__(self, processes=(), unsupported=(), handle="GPU-"):
        self.open, self._processes, self._unsupported, self._handle = 0, processes, unsupported, handle

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != f"{self._handle}{UUID}":
            raise self.NVMLError("Not Found")
        return uuid

    def __getattr__(self, name):
        answers = {
            "nvmlDeviceIsMigDeviceHandle": lambda handle: handle.startswith("MIG-"),
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": lambda handle: "whole",
            "nvmlDeviceGetName": lambda handle: f"card {handle}",
            "nvmlDeviceGetClockInfo": lambda handle, clock: {1: 1980, 2: 3201}[clock],
            "nvmlDeviceGetMaxClockInfo": lambda handle, clock: {1: 1995}[clock],
            "nvmlDeviceGetPowerUsage": lambda handle: 350_500,
            "nvmlDeviceGetTemperature": lambda handle, sensor: 61,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0x5,
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: list(self._processes),
            "nvmlSystemGetDriverVersion": lambda: "580.1",
            "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 600_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": lambda handle: 700_000,
            "nvmlDeviceGetMigMode": lambda handle: [0, 1],
            "nvmlDeviceGetEccMode": lambda handle: [1, 1],
        }
        if name not in answers:
            raise AttributeError(name)
        if name in self._unsupported:

            def refuse(*_):
                raise self.NVMLError("Not Supported")

            return refuse
        return answers[name]


@pytest.fixture
def card(monkeypatch):
    """`nvml = card(processes)`: the module that will be found, of the card that torch names."""

    def call(*arguments, **named):
        nvml = FakeNvml(*arguments, **named)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 4 * GB)
        return nvml

    return call


def on_card(pid, used):
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def test_facts_of_a_moment(card):
    nvml = card([on_card(os.getpid(), 5 * GB), on_card(1, None)])
    assert gpu_facts("cuda:0") == {
        "name": f"card GPU-{UUID}", "sm_clock_mhz": 1980, "memory_clock_mhz": 3201, "power_watts": 350.5,
        "temperature_celsius": 61, "throttle_reasons": 0x5, "other_processes": 1, "own_process": "pid",
    }  # fmt: skip
    assert nvml.open == 0
    assert gpu_facts("cpu") == gpu_state("cpu") == {}


def test_state_of_card_and_software(card):
    card()
    assert gpu_state("cuda") == {
        "cudnn": torch.backends.cudnn.version(), "driver": "580.1", "power_limit_watts": 600.0,
        "default_power_limit_watts": 700.0, "sm_clock_max_mhz": 1995, "mig": "off", "ecc": "on",
    }  # fmt: skip


def test_what_a_card_does_not_tell_is_none(card):
    card(
        unsupported=(
            "nvmlDeviceGetPowerUsage",
            "nvmlDeviceGetEccMode",
            "nvmlDeviceGetComputeRunningProcesses",
        )
    )
    facts = gpu_facts("cuda:0")
    assert facts["power_watts"] is None
    assert "other_processes" not in facts
    assert gpu_state("cuda:0")["ecc"] is None


def test_a_part_of_a_card_asks_the_whole_for_its_clocks(card):
    card(handle="MIG-")
    assert gpu_facts("cuda:0")["name"] == "card whole"


def test_without_nvml_the_reason_is_known(monkeypatch, card):
    nvml = card()
    with pytest.raises(NvmlMissingError, match="no card fedcba: Not Found"):
        open_card("fedcba")
    assert nvml.open == 0
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "nvidia-ml-py is not installed: pip install 'vis-bench[gpu]'" in gpu_facts("cuda:0")["unknown"]
    assert set(gpu_state("cuda:0")) == {"cudnn"}
    sampler = GpuSampler("cuda:0")
    with sampler.running(), sampler.watching():
        pass
    assert sampler.summary() == {}


def test_it_is_sampled_while_watched_only(card):
    nvml = card()
    sampler = GpuSampler("cuda:0", seconds=0.001)
    with sampler.running():
        time.sleep(0.03)
        assert sampler.summary() == {}
        with sampler.watching():
            deadline = time.monotonic() + 5
            while len(sampler._looks) < 3 and time.monotonic() < deadline:
                time.sleep(0.001)
        seen = sampler.summary()["samples"]
        assert seen >= 3
        time.sleep(0.03)
        # a look that had begun may still arrive
        assert sampler.summary()["samples"] <= seen + 1
    assert nvml.open == 0
    assert sampler.summary()["power_watts"] == [350.5, 350.5, 350.5]


def test_samples_are_summed_up():
    looks = [
        CardNow(1980, 3201, 300.0, 50, 0x0),
        CardNow(1500, 3201, 700.0, 60, 0x24),
        CardNow(1980, 3201, None, 70, 0x1),
        CardNow(1700, 3201, 500.0, 65, 0x4),
    ]
    assert summarised(looks, 0.25) == {
        "samples": 4, "every_seconds": 0.25,
        "sm_clock_mhz": [1500, 1840.0, 1980], "memory_clock_mhz": [3201, 3201.0, 3201],
        "power_watts": [300.0, 500.0, 700.0], "temperature_celsius": [50, 62.5, 70],
        "throttled_share": 0.5, "throttle_reasons": 0x25,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # pids of this namespace, or of the host where that can be seen
        ([(7, 5 * GB), (8, None)], Neighbours(1, "pid")),
        ([(70, 5 * GB)], Neighbours(0, "pid")),
        # foreign pids: what torch holds (4 GB) and a context is this one, once
        ([(1, 5 * GB)], Neighbours(0, "memory")),
        ([(1, 5 * GB), (2, 20 * GB), (3, 5 * GB)], Neighbours(2, "memory")),
        ([(1, 20 * GB), (2, 3 * GB)], Neighbours(2, "not seen")),
        ([(1, None)], Neighbours(0, "assumed")),
        ([(1, None), (2, 20 * GB)], Neighbours(1, "assumed")),
        ([], Neighbours(0, "not seen")),
    ],
)
def test_own_process_is_known_inside_a_container(seen, expected):
    assert neighbours([OnCard(*one) for one in seen], {7, 70}, 4 * GB) == expected


def test_pids_of_all_namespaces_are_read(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nNSpid:\t4711\t12\nThreads:\t1\n")
    assert own_pids(status) == {4711, 12, os.getpid()}
    assert own_pids(tmp_path / "missing") == {os.getpid()}


def repeat(**changes):
    return Repeat(
        end_to_end_seconds=1.0, model_only_seconds=1.0, with_decoding_seconds=1.0, harness_seconds=0.0,
        latency_ms=None, model_latency_ms=None, look_ahead_frames=0, memory={}, **changes,
    )  # fmt: skip


def test_what_nvml_saw_is_named():
    # 0x1 idle and 0x2 set by the user are harmless, 0x4 is the power cap
    quiet = {"throttle_reasons": 0x3, "other_processes": 0}
    assert gpu_notes([repeat(gpu_before=quiet, gpu_after=quiet)]) == []
    capped = {"throttle_reasons": 0x5, "other_processes": 2}
    assert gpu_notes([repeat(gpu_before=quiet, gpu_after=capped)]) == [
        "the GPU lowered its clocks: power cap", "2 other processes on the GPU",
    ]  # fmt: skip
    samples = [{"throttle_reasons": 0x21, "throttled_share": share} for share in (0.25, 0.5)]
    assert gpu_notes([repeat(gpu_samples=one) for one in samples]) == [
        "the GPU lowered its clocks in up to 50% of the samples: thermal limit"
    ]
    assert gpu_notes([repeat(gpu_before={"unknown": "no NVML"})]) == ["GPU: no NVML"]
    (note,) = gpu_notes([repeat(gpu_before={"other_processes": 0, "own_process": "not seen"})])
    assert "others on the GPU would not be seen" in note
    assert reasons_text(0x4 | 0x400) == "power cap, NVML reason 0x400"


def test_a_warm_up_that_never_settled_is_named():
    settled = WarmUp(seconds=10.0, frames=300, rounds=30, stable=True, last_change=0.01)
    wavering = WarmUp(seconds=61.0, frames=900, rounds=90, stable=False, last_change=0.034)
    assert gpu_notes([repeat(warm_up=settled)]) == []
    assert gpu_notes([repeat(warm_up=settled), repeat(warm_up=wavering)]) == [
        "the time per frame was not stable after 61 s of warm-up, it still changed by 3.4%"
    ]
