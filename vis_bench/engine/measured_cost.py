"""What an estimate needs and seconds can tell: multiply-adds, memory, the cost of a clip, the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from vis_bench.engine.complexity import counted_config, measure
from vis_bench.engine.process.precision import precision
from vis_bench.engine.saved_bytes import saved_bytes
from vis_bench.files import read_json, write_json
from vis_bench.method import Clip, MethodSpec
from vis_bench.setup.plugins import build_method

_TIMED_STEPS = 3
_PROBE_SECONDS = 0.3
_PROBE_CHANNELS, _PROBE_SIZE = 256, (48, 80)
"""A convolution of 3x3 on the map of stride 8 of a frame of 640x384, where much of the work of methods is."""


def counted_macs(spec: MethodSpec, config: Any, num_classes: int) -> int:
    """Multiply-adds of a frame of 640x360, as `methods show` counts them; some seconds on a CPU.

    Raises what tracking a random video raises.
    """
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        counted = counted_config(config, spec.mac_count)
        model = build_method(spec, counted, num_classes)
        return measure(model, counted, spec.info.online, spec.mac_count).macs_per_frame


def training_size(spec: MethodSpec, config: Any, num_classes: int, clip: Clip) -> tuple[int, int]:
    """(parameters, bytes saved for the backward pass of one clip), from a forward pass on the CPU in fp32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_method(spec, config, num_classes)
        model.train()
        with saved_bytes(model) as saved:
            model.losses([clip])
    return sum(parameter.numel() for parameter in model.parameters()), saved[0]


def step_seconds(
    spec: MethodSpec, config: Any, num_classes: int, clips: Sequence[Clip], threads: int
) -> float:
    """Seconds of a forward and backward pass over these clips on the CPU, in fp32; the median of three.

    One that does not count comes first. Time for other programs is left out.
    """
    before = torch.get_num_threads()
    took = []
    try:
        torch.set_num_threads(threads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build_method(spec, config, num_classes)
            model.train()
            for _ in range(1 + _TIMED_STEPS):
                begin = time.process_time()
                torch.stack([term.sum() for term in model.losses(clips).values()]).sum().backward()
                took.append(time.process_time() - begin)
    finally:
        torch.set_num_threads(before)
    return median(took[1:]) / threads


def loader_seconds(sampler: Any, at_least: int = 2, seconds: float = 0.3) -> float:
    """CPU seconds of one clip: the mean of some, after one that does not count.

    sampler: has `clip(index)`.
    """
    sampler.clip(0)
    begin, clips = time.process_time(), 0
    while clips < at_least or time.process_time() - begin < seconds:
        clips += 1
        sampler.clip(clips)
    return (time.process_time() - begin) / clips


def probed_flops(device: str, word: str, threads: int) -> float:
    """Floating-point operations per second of a convolution on this device, in a precision of --precision.

    threads: of a CPU, whose time for other programs is left out. Takes about half a second.
    """
    before = torch.get_num_threads()
    on_gpu = device.startswith("cuda")
    batch, warm_up = (32, 20) if on_gpu else (2, 1)

    def now() -> float:
        return time.perf_counter() if on_gpu else time.process_time() / threads

    def wait() -> None:
        if on_gpu:
            torch.cuda.synchronize(device)

    try:
        torch.set_num_threads(threads)
        layer = torch.nn.Conv2d(_PROBE_CHANNELS, _PROBE_CHANNELS, 3, padding=1).to(device)
        image = torch.ones(batch, _PROBE_CHANNELS, *_PROBE_SIZE, device=device)
        with torch.inference_mode(), precision(word, device):
            for _ in range(warm_up):
                layer(image)
            wait()
            begin, passes = now(), 0
            while now() - begin < _PROBE_SECONDS:
                layer(image)
                # a device takes orders faster than it works
                wait()
                passes += 1
            took = now() - begin
    finally:
        torch.set_num_threads(before)
    macs = batch * _PROBE_SIZE[0] * _PROBE_SIZE[1] * 9 * _PROBE_CHANNELS**2
    return 2 * macs * passes / took


def remembered(path: Path, measured: Callable[[], dict[str, int]]) -> dict[str, int]:
    """What was measured before and lies in this file, else measured now and kept there."""
    if path.exists():
        return read_json(path)
    found = measured()
    write_json(path, found)
    return found
