"""A method in one file, as a stranger would write it: finds pixels brighter than a learned threshold."""

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from vis_bench.masks.rle import encode_or_none
from vis_bench.method import (
    Augmentation,
    ClipSampling,
    FrameDetection,
    FrameResult,
    MethodInfo,
    MethodSpec,
    TrainConfig,
    VideoInstance,
)


@dataclass(frozen=True)
class ToyConfig:
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            iterations=6,
            batch_size=2,
            optimizer="adamw",
            lr=0.05,
            sampling=ClipSampling(frames=2),
            augmentation=Augmentation(flip=0.5),
        )
    )
    fail_on_frame: int = -1
    die_on_frame: int = -1
    helpers: int = 0
    read_ahead: int = 0
    noise: float = 0.0


class Toy(nn.Module):
    def __init__(self, config: ToyConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.filter = nn.Conv2d(3, 1, 3, padding=1)

    def losses(self, clips):
        for _ in range(self.config.helpers):
            helper = multiprocessing.get_context("fork").Process(target=os.getpid)
            helper.start()
            helper.join()
        total = 0
        for clip in clips:
            frames = clip.frames.float() / 255
            frames = frames + self.config.noise * torch.randn_like(frames)
            logits = self.filter(frames)[:, 0]
            truth = clip.masks.any(1).float()
            total = total + nn.functional.binary_cross_entropy_with_logits(logits, truth)
        return {"mask": total / len(clips)}

    def track(self, video, frames) -> Iterator[FrameResult]:
        waiting = []
        for index in range(video.length):
            while len(waiting) <= self.config.read_ahead:
                frame = next(frames, None)
                if frame is None:
                    break
                waiting.append(frame)
            if index == self.config.fail_on_frame:
                raise RuntimeError("the toy broke")
            if index == self.config.die_on_frame:
                os._exit(9)
            logits = self.filter(waiting.pop(0)[None].float() / 255)[0]
            mask = encode_or_none((logits > 0).numpy())[0]
            scores = np.zeros(self.num_classes, np.float32)
            scores[0] = 0.5
            yield FrameResult(index, (FrameDetection(0, scores, mask),))

    def summarise(self, video, results):
        return [VideoInstance(0, 0.5, tuple(result.detections[0].segmentation for result in results))]


INFO = MethodInfo(
    name="toy",
    title="Toy",
    paradigm="tracking by detection",
    online=True,
    paper="none",
    licence="Apache-2.0",
)
# another value of inference, the same parameters
VARIANTS = {"far": {"fail_on_frame": 1000}}
SPEC = MethodSpec(info=INFO, configs={"default": ToyConfig()}, choices=(), build=Toy, variants=VARIANTS)
NOT_A_METHOD = 3
