"""How often the host waits for the device, in a shard of training and in a frame of tracking.

    python tests/methods/transfers.py [--places] > results/transfers/after.txt

Models are the `tiny` configurations on a pretend device (pretend_device.py), with random weights and with
thresholds that let every detection through, so that masks are drawn. A shard is one call of `losses` and its
backward pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pretend_device import NAME, PretendDevice, Transfer

from vis_bench.engine.track import FrameFeed
from vis_bench.method import Clip
from vis_bench.setup.config import override
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.types import Dataset, Video

METHODS = (
    *("mask2former_vis", "ifr", "stc", "querytrack", "inspro", "inspro_lite", "inspro_vid", "inspro_tbd"),
    *("masktrack_rcnn", "inspro_motr"),
)
CLASSES = 3
HEIGHT, WIDTH = 48, 80
FRAMES = 4
# thresholds of 0, since the models are untrained: objects are found, drawn and carried on
OPEN = {
    **dict.fromkeys(("presence_threshold", "birth_threshold", "keep_threshold"), 0.0),
    "association.init_threshold": 0.0,
    "test_short_side": 64,
    "backbone.widths": (8, 8, 16, 16),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """Transfers of one measurement, and how many of them fell into each frame (tracking on-line only)."""

    device: PretendDevice
    by_frame: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """All transfers."""
        return len(self.device.transfers)


def config_of(name: str) -> Any:
    """The configuration that is measured."""
    spec = load_spec(name)
    return override(spec.configs["tiny"], {**OPEN, **spec.mac_count.overrides}, skip_unknown=True)


def model_of(name: str, phase: int = 0) -> Any:
    """An untrained model in training mode, in phase `phase` of its training; the same in every call."""
    torch.manual_seed(0)
    model = build_method(load_spec(name), config_of(name), CLASSES).train()
    if phase:
        model.enter_phase(phase)
        model.train()
    return model


def clip_of(frames: int, objects: int, seed: int) -> Clip:
    """Rectangles that move over noise; object n is absent from frame n."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (frames, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(frames, objects, HEIGHT, WIDTH, dtype=torch.bool)
    boxes = torch.zeros(frames, objects, 4)
    for t in range(frames):
        for n in range(objects):
            if objects > 1 and n == t:
                continue
            x, y, side = 4 + 18 * n + 3 * t, 4 + 8 * n, 16 + 4 * n
            masks[t, n, y : y + side, x : x + side] = True
            boxes[t, n] = torch.tensor([x, y, min(WIDTH, x + side), min(HEIGHT, y + side)])
    labels = torch.arange(objects) % CLASSES
    return Clip(images, labels, masks, boxes, masks.flatten(2).any(2))


def clips_of(name: str, count: int, phase: int = 0) -> list[Clip]:
    """`count` clips of the length that the method trains on, with 2, 0, 3, 1, 2, 0, ... objects."""
    config = config_of(name)
    frames = (config.train, *getattr(config, "later_training", ()))[phase].sampling.frames
    return [clip_of(frames, (2, 0, 3, 1)[i % 4], seed=i) for i in range(count)]


def losses_of(model: Any, clips: Sequence[Clip]) -> dict[str, torch.Tensor]:
    """One shard: losses and their gradients, with the random numbers of seed 0."""
    torch.manual_seed(0)
    losses: dict[str, torch.Tensor] = model.losses(clips)
    torch.stack(list(losses.values())).sum().backward()
    return losses


def train_transfers(name: str, clips: int, phase: int = 0) -> Counted:
    """Transfers of one shard of `clips` clips."""
    device = PretendDevice()
    model = device.place(model_of(name, phase))
    given = [device.place(clip) for clip in clips_of(name, clips, phase)]
    with device:
        losses_of(model, given)
    return Counted(device)


def track_transfers(name: str, frames: int = FRAMES) -> Counted:
    """Transfers of one video of `frames` frames, which come from the host as in a run."""
    device = PretendDevice()
    model = device.place(model_of(name).eval())
    pictures = clip_of(frames, 2, seed=7).frames.permute(0, 2, 3, 1).numpy()
    video = Video(1, "v", WIDTH, HEIGHT, tuple(f"{i}.png" for i in range(frames)))
    dataset = Dataset("made", "val", (video,), (), None, None, "", "")
    counts: list[int] = []
    with torch.inference_mode(), device:
        found = model.track(video, FrameFeed(dataset, video, NAME, iter(pictures)))
        if not isinstance(found, list):
            results = []
            for result in found:
                results.append(result)
                counts.append(len(device.transfers) - sum(counts))
            model.summarise(video, results)
            found = [detection for result in results for detection in result.detections]
    if not found:
        raise RuntimeError(f"{name} found nothing, so that no mask was drawn")
    return Counted(device, tuple(counts))


def rows() -> Iterator[tuple[str, str, list[Transfer], Counted]]:
    """(method, number as text, transfers, measurement) of everything that is measured."""
    for name in METHODS:
        phases = 1 + len(getattr(config_of(name), "later_training", ()))
        for phase in range(phases):
            for clips in (1, 4):
                found = train_transfers(name, clips, phase)
                label = f"train, {clips} clip{'s' * (clips > 1)}" + f", phase {phase + 1}" * (phases > 1)
                yield name, label, found.device.transfers, found
        found = track_transfers(name)
        kind = "most in a frame" if found.by_frame else f"a video of {FRAMES} frames"
        yield name, f"track, {kind}", found.device.transfers, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", action="store_true", help="also list the lines that wait")
    places = parser.parse_args().places
    print(f"{'method':<16} {'measurement':<32} {'transfers':>9}")
    for name, label, _, found in rows():
        print(f"{name:<16} {label:<32} {max(found.by_frame, default=found.count):>9}", flush=True)
        if places:
            print("\n".join(f"    {line}" for line in found.device.report().splitlines()[1:]), flush=True)


if __name__ == "__main__":
    main()
