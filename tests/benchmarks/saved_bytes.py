"""Bytes that autograd keeps for the backward pass of one shard, for every paper configuration.

    python tests/benchmarks/saved_bytes.py [METHOD...] [--set KEY=VALUE...]

Counted on the CPU in fp32 with random weights: every storage that an operation saves, once, without
parameters and buffers. The tensors themselves are dropped at once, so that the count needs little memory.
Frames of 1280x720 are resized as the configuration's largest training size says; every clip has ten objects.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from vis_bench.engine.saved_bytes import saved_bytes
from vis_bench.engine.training.clips.augment import resized, tight_boxes
from vis_bench.engine.training.shards import shards_of
from vis_bench.method import Clip, TrainConfig
from vis_bench.setup.config import override, parse_assignment
from vis_bench.setup.plugins import build_method, load_spec, method_names

OBJECTS, CLASSES, SOURCE = 10, 40, (720, 1280)


def random_clip(train: TrainConfig, seed: int) -> Clip:
    """A clip of the largest training size with OBJECTS boxes of a fifth of each side."""
    augmentation = train.augmentation
    side = max(augmentation.short_sides, default=SOURCE[0])
    height, width = resized(*SOURCE, side, augmentation.max_long_side)
    generator = torch.Generator().manual_seed(seed)
    frames = train.sampling.frames
    pixels = torch.randint(0, 256, (frames, 3, height, width), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(frames, OBJECTS, height, width, dtype=torch.bool)
    for n in range(OBJECTS):
        top = int(torch.randint(0, height * 4 // 5, (), generator=generator))
        left = int(torch.randint(0, width * 4 // 5, (), generator=generator))
        masks[:, n, top : top + height // 5, left : left + width // 5] = True
    boxes, visible = tight_boxes(masks)
    labels = torch.randint(0, CLASSES, (OBJECTS,), generator=generator)
    return Clip(pixels, labels, masks, boxes, visible)


def measure(name: str, changes: dict[str, Any]) -> list[tuple[str, TrainConfig, int, int]]:
    """(phase, its training, clips of a shard, bytes) of each phase."""
    spec = load_spec(name)
    config = override(spec.configs["paper"], changes)
    torch.manual_seed(0)
    model = build_method(spec, config, CLASSES).train()
    rows = []
    for number, train in enumerate((config.train, *getattr(config, "later_training", ()))):
        if number:
            model.enter_phase(number)
        clips = [random_clip(train, seed) for seed in range(shards_of(train).clips)]
        with saved_bytes(model) as saved:
            model.losses(clips)
        rows.append((f"phase {number + 1}", train, len(clips), saved[0]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=method_names())
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    changes = dict(map(parse_assignment, given.set))
    print("".join(f"--set {change}\n" for change in given.set), end="")
    print(f"{'configuration':<28}{'batch':>6}{'shards':>7}{'clips':>6}{'frames':>7}{'frame':>12}{'GiB':>8}")
    for name in given.methods or method_names():
        for phase, train, clips, total in measure(name, changes):
            side = max(train.augmentation.short_sides, default=SOURCE[0])
            height, width = resized(*SOURCE, side, train.augmentation.max_long_side)
            label = f"{name}@paper" + ("" if phase == "phase 1" else f", {phase}")
            print(
                f"{label:<28}{train.batch_size:>6}{train.batch_size // clips:>7}{clips:>6}"
                f"{train.sampling.frames:>7}{f'{width}x{height}':>12}{total / 2**30:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
