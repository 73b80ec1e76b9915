"""A method in one file: a per-pixel classifier whose tracks are the classes themselves.

It cannot tell two objects of one class apart and shows only what a method has to provide. Run it with
`vis-bench run --methods docs/examples/pixel_classes.py:PixelClasses --dataset shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vis_bench import rle
from vis_bench.method import (
    Choice,
    Clip,
    ClipSampling,
    FrameDetection,
    FrameResult,
    MethodInfo,
    TrainConfig,
    VideoInstance,
)
from vis_bench.types import Video


@dataclass(frozen=True, slots=True)
class Config:
    """width: channels of the network. threshold: probability above which a pixel belongs to a class."""

    train: TrainConfig
    width: int = 24
    threshold: float = 0.5


TINY = Config(TrainConfig(300, 8, "adamw", 3e-3, sampling=ClipSampling(frames=1)))


class PixelClasses(nn.Module):
    """Four convolutions at half resolution, one sigmoid per class."""

    info = MethodInfo(
        name="pixel_classes",
        title="Pixel classes",
        paradigm="tracking by detection",
        online=True,
        paper="none, an example",
        licence="Apache-2.0",
    )
    configs = MappingProxyType({"tiny": TINY})
    choices = (Choice("-", "threshold", "ours", "half, as for every other mask in this repository"),)

    def __init__(self, config: Config, num_classes: int) -> None:
        super().__init__()
        self.threshold = config.threshold
        width = config.width
        layers: list[nn.Module] = [nn.Conv2d(3, width, 5, stride=2, padding=2), nn.ReLU()]
        for dilation in (1, 2, 4):
            layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Conv2d(width, num_classes, 1))

    def _logits(self, frames: Tensor) -> Tensor:
        """Class logits [n, C, H, W] of frames uint8 [n, 3, H, W]."""
        logits = self.network(frames.float() / 127.5 - 1)
        return functional.interpolate(logits, frames.shape[-2:], mode="bilinear", align_corners=False)

    def losses(self, clips: Sequence[Clip]) -> dict[str, Tensor]:
        """Binary cross-entropy against the union of the masks of each class."""
        frames = torch.cat([clip.frames for clip in clips])
        logits = self._logits(frames)
        targets = []
        for clip in clips:
            target = logits.new_zeros(len(clip.frames), *logits.shape[1:])
            for position, label in enumerate(clip.labels.tolist()):
                target[:, label] = torch.maximum(target[:, label], clip.masks[:, position].float())
            targets.append(target)
        return {"pixels": functional.binary_cross_entropy_with_logits(logits, torch.cat(targets))}

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """One detection per class that occurs; its identity is the class, so it is online by construction."""
        for index, frame in enumerate(frames):
            probabilities = self._logits(frame[None])[0].sigmoid().cpu().numpy()
            found = []
            for label, probability in enumerate(probabilities):
                mask = probability > self.threshold
                if mask.any():
                    scores = np.zeros(len(probabilities), dtype=np.float32)
                    scores[label] = probability[mask].mean()
                    found.append(FrameDetection(label, scores, rle.encode(mask)))
            yield FrameResult(index, tuple(found))

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """One track per class with the mean of its frame scores."""
        by_class: dict[int, dict[int, FrameDetection]] = {}
        for result in results:
            for detection in result.detections:
                by_class.setdefault(detection.identity, {})[result.index] = detection
        return [
            VideoInstance(
                label,
                float(np.mean([found.class_scores[label] for found in frames.values()])),
                tuple(frames[t].segmentation if t in frames else None for t in range(video.length)),
            )
            for label, frames in sorted(by_class.items())
        ]
