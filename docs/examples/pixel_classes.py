"""A method in one file: a per-pixel classifier whose tracks are the classes themselves.

It cannot tell two objects of one class apart and shows only what a method has to provide, with the shared
backbone, so that the protocol's initialisation is loaded into it. Run it with
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

from methods.layers.backbone import build_backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.images import normalise_and_pad
from vis_bench.masks import rle
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
    """threshold: probability above which a pixel belongs to a class. positive_weight: of object pixels."""

    train: TrainConfig
    backbone: BackboneConfig
    threshold: float = 0.5
    positive_weight: float = 8.0


TINY = Config(
    TrainConfig(iterations=200, batch_size=8, optimizer="adamw", lr=1e-3, sampling=ClipSampling(frames=1)),
    BackboneConfig("small", frozen_stages=0, frozen_norm=False),
)


class PixelClasses(nn.Module):
    """One sigmoid per class and pixel, on features of strides 4 and 16."""

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
        self.threshold, self.positive_weight = config.threshold, config.positive_weight
        self.backbone = build_backbone(config.backbone)
        channels = self.backbone.channels
        self.fine = nn.Conv2d(channels["res2"], 64, 3, padding=1)
        self.coarse = nn.Conv2d(channels["res4"], 64, 1)
        self.classes = nn.Sequential(nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
        self.output = nn.Conv2d(64, num_classes, 1)

    def _logits(self, frames: Sequence[Tensor]) -> Tensor:
        """Class logits [n, C, H, W] of frames uint8 [3, H_i, W_i], padded right and bottom to one size."""
        images = normalise_and_pad(frames)
        features = self.backbone(images)
        fine = self.fine(features["res2"])
        coarse = functional.interpolate(self.coarse(features["res4"]), fine.shape[-2:], mode="bilinear")
        logits = self.output(self.classes(fine + coarse))
        return functional.interpolate(logits, images.shape[-2:], mode="bilinear")

    def losses(self, clips: Sequence[Clip]) -> dict[str, Tensor]:
        """Binary cross-entropy against the union of the masks of each class, over all pixels."""
        logits = self._logits([frame for clip in clips for frame in clip.frames])
        target, inside = torch.zeros_like(logits), torch.zeros_like(logits)
        first = 0
        for clip in clips:
            length, (height, width) = len(clip.frames), clip.frames.shape[-2:]
            rows = slice(first, first + length)
            inside[rows, :, :height, :width] = 1
            for position, label in enumerate(clip.labels.tolist()):
                place = target[rows, label, :height, :width]
                torch.maximum(place, clip.masks[:, position].float(), out=place)
            first += length
        weight = logits.new_tensor(self.positive_weight)
        loss = functional.binary_cross_entropy_with_logits(
            logits, target, inside, pos_weight=weight, reduction="sum"
        )
        return {"pixels": loss / inside.sum()}

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """One detection per class that occurs; its identity is the class, so it is online by construction."""
        for index, frame in enumerate(frames):
            height, width = frame.shape[-2:]
            probabilities = self._logits([frame])[0, :, :height, :width].sigmoid().cpu().numpy()
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
