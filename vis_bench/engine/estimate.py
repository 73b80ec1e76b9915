"""What a run will take that nobody has run yet: arithmetic on multiply-adds and a few measured costs.

Everything here is a pure function of frozen dataclasses; what is measured is in measured_cost.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vis_bench.engine.process.progress import duration

FORWARD_AND_BACKWARD = 3
"""Multiply-adds of a training step over those of its forward pass. Source: the gradients by inputs and by
weights cost as much each (torch's flop counter gives 3.0 for convolutions)."""
FLOPS_PER_MAC = 2
BYTES_PER_NUMBER = 4
CONTEXT_BYTES = 1_000_000_000
"""What CUDA, its libraries and its allocator take besides tensors, about."""
HALF_SAVED = 0.6
"""Saved for backward under bf16 or fp16 over fp32: halves, but what autocast leaves in 32 bit."""
PREDICTED_BYTES_PER_FRAME = 2_000
"""Ten tracks with a compressed mask of 200 bytes."""
_HOURS_IN_DAYS_FROM = 48


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs are estimated for.

    name: for messages. flops: floating-point operations per second that are counted on, 0 where steps are
    timed instead; assumed: how the numbers came about, in words. cores: processors that may be used, None
    where the machine is not this one. on_gpu: clips are loaded beside the device's work; on a CPU one after
    the other.
    """

    name: str
    flops: float
    assumed: str
    cores: int | None
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What one run computes.

    macs_per_frame: multiply-adds of a frame of 640x360. train_frames, train_clips: of all phases, 0 where
    weights are there. train_scale, track_scale: pixels of a frame as it is trained on and tracked, 1 is
    640x360. parameters: numbers. copies: of the parameters while they are trained (weights, gradients, state
    of the optimiser, moving average). shard_clips: clips in memory at once. saved_bytes: kept for the
    backward pass of one clip, None where that could not be measured. loader_seconds: of one core for a clip.
    half: mixed precision. frame_seconds: of the forward and backward pass of a frame as it is trained on,
    timed on the machine; then multiply-adds are not needed.
    """

    label: str
    macs_per_frame: float
    train_frames: int
    train_clips: int
    train_scale: float
    track_frames: int
    track_scale: float
    parameters: int
    copies: int
    shard_clips: int
    saved_bytes: int | None
    loader_seconds: float
    half: bool = False
    frame_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """seconds: of a run. compute_seconds: of its training without waiting for clips. memory_bytes: of the
    device, None where unknown. loader_cores: so that the device never waits, 0 on a CPU. waits: whether this
    machine has fewer. disk_bytes: what stays; resume_bytes: beside it while it trains. timed: from a step."""

    label: str
    seconds: float
    compute_seconds: float
    memory_bytes: int | None
    loader_cores: int
    waits: bool
    disk_bytes: int
    resume_bytes: int
    timed: bool = False


def estimate(work: Work, machine: Machine) -> Estimate:
    """Time, memory, loader cores and disk of one run on one device."""
    if work.frame_seconds is None:
        forward = work.macs_per_frame * FLOPS_PER_MAC / machine.flops
        trained = FORWARD_AND_BACKWARD * forward * work.train_scale
    else:
        trained = work.frame_seconds
        forward = trained / FORWARD_AND_BACKWARD / work.train_scale
    compute = trained * work.train_frames
    loading = work.loader_seconds * work.train_clips
    cores, waits = 0, False
    if not machine.on_gpu:
        training = compute + loading
    else:
        cores = math.ceil(loading / compute) if compute else 0
        waits = machine.cores is not None and cores > machine.cores
        training = max(compute, loading / machine.cores) if waits and machine.cores else compute
    saved = None
    if work.saved_bytes is not None:
        share = HALF_SAVED if work.half else 1.0
        saved = round(share * work.saved_bytes * work.shard_clips)
    weights = BYTES_PER_NUMBER * work.parameters
    context = CONTEXT_BYTES if machine.on_gpu else 0
    memory = None if saved is None else saved + work.copies * weights + context
    return Estimate(
        label=work.label,
        seconds=training + forward * work.track_scale * work.track_frames,
        compute_seconds=compute,
        memory_bytes=memory,
        loader_cores=cores,
        waits=waits,
        disk_bytes=weights + PREDICTED_BYTES_PER_FRAME * work.track_frames,
        resume_bytes=work.copies * weights,
        timed=work.frame_seconds is not None,
    )


def estimate_texts(
    found: Sequence[Estimate], machines: Sequence[Machine], runs: int, places: int = 1
) -> list[tuple[str, str]]:
    """Lines of a plan: (first word, text).

    machines: what each was estimated for, one machine in the precision of each. runs: of each; places:
    devices that work side by side.
    """
    if not found:
        return []
    machine = machines[0]
    texts = [("estimate", f"no earlier run to go by; for {machine.name}, one run each:")]
    for one in found:
        memory = "memory unknown" if one.memory_bytes is None else f"{_size_text(one.memory_bytes)} memory"
        parts = [long_duration(one.seconds), memory]
        if machine.on_gpu:
            cores = f"{one.loader_cores} loader core{'s' if one.loader_cores != 1 else ''}"
            parts.append(f"{cores} (more than the {machine.cores} here)" if one.waits else cores)
        texts.append(("", f"{one.label}: {', '.join(parts)}, disk {_size_text(one.disk_bytes)}"))
    total = sum(one.seconds for one in found) * runs / max(1, places)
    resume = max(one.resume_bytes for one in found)
    texts.append(
        (
            "",
            f"together ({len(found) * runs}): about {long_duration(total)}"
            f"{f' on {places} devices' if places > 1 else ''}, disk "
            f"{_size_text(runs * sum(one.disk_bytes for one in found))}, and up to {_size_text(resume)} for "
            "each run while it trains",
        )
    )
    counted = "" if all(one.timed for one in found) else f"{_COUNTED}; "
    texts.append(("assumes", f"{assumptions(machines)}; {counted}{_ASSUMED}"))
    return texts


def assumptions(machines: Sequence[Machine]) -> str:
    """How fast a machine was taken to be, each way of computing once."""
    return " and ".join(dict.fromkeys(machine.assumed for machine in machines))


_COUNTED = "a training step is three forward passes, multiply-adds grow with the pixels of a frame"
_ASSUMED = (
    "loading as long as the clips that were loaded just now; memory as the forward pass of one clip on the "
    "CPU, without what the program itself takes; predictions of "
    f"{PREDICTED_BYTES_PER_FRAME // 1000} kB a frame"
)


def long_duration(seconds: float) -> str:
    """As `duration`, in days from two of them on: `4.5 days`."""
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= _HOURS_IN_DAYS_FROM else duration(seconds)


def _size_text(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
