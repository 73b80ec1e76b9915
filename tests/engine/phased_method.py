"""A method that is trained in two phases: everything on the first head, then the second head alone."""

from collections.abc import Iterator
from dataclasses import dataclass

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


def phase(iterations: int, lr: float, frames: int = 2, flip: float = 0.5, batch_size: int = 2) -> TrainConfig:
    return TrainConfig(
        iterations=iterations,
        batch_size=batch_size,
        optimizer="adamw",
        lr=lr,
        schedule="cosine",
        # small enough to cut: what a phase has frozen must not count in the norm
        grad_clip_norm=0.01,
        sampling=ClipSampling(frames=frames),
        augmentation=Augmentation(flip=flip),
    )


FIRST = phase(6, 0.05)
SECOND = phase(5, 0.02, frames=3, batch_size=1)


@dataclass(frozen=True)
class PhasedConfig:
    train: TrainConfig = FIRST
    later_training: tuple[TrainConfig, ...] = (SECOND,)


class Phased(nn.Module):
    def __init__(self, config: PhasedConfig, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2))
        self.first = nn.Conv2d(2, 1, 1)
        self.second = nn.Conv2d(2, 1, 1)
        self.phase = 0
        self.at_entry: dict[str, torch.Tensor] = {}
        self.frames_seen: list[int] = []

    def enter_phase(self, number: int) -> None:
        self.at_entry = {name: value.clone() for name, value in self.state_dict().items()}
        self.phase = number
        self.requires_grad_(False)
        self.second.requires_grad_(True)
        with torch.no_grad():
            # drawn, so that a run that is resumed between the phases has to draw the same
            self.second.weight.copy_(self.first.weight + 0.1 * torch.randn_like(self.first.weight))

    def train(self, mode: bool = True) -> "Phased":
        super().train(mode)
        if self.phase:
            self.backbone.eval()
        return self

    def losses(self, clips):
        frames = torch.cat([clip.frames for clip in clips]).float() / 255
        self.frames_seen.append(len(clips[0].frames))
        features = self.backbone(frames)
        logits = (self.second if self.phase else self.first)(features)[:, 0]
        truth = torch.cat([clip.masks.any(1) for clip in clips]).float()
        noisy = logits + 0.1 * torch.randn_like(logits)
        return {"mask": nn.functional.binary_cross_entropy_with_logits(noisy, truth)}

    def track(self, video, frames) -> Iterator[FrameResult]:
        for index, frame in enumerate(frames):
            logits = self.second(self.backbone(frame[None].float() / 255))[0]
            scores = np.full(self.num_classes, 0.5, np.float32)
            yield FrameResult(index, (FrameDetection(0, scores, encode_or_none((logits > 0).numpy())[0]),))

    def summarise(self, video, results):
        return [VideoInstance(0, 0.5, tuple(result.detections[0].segmentation for result in results))]


class PixelLoss(nn.Module):
    """An auxiliary loss as a protocol may name it; reads the features of the backbone."""

    def __init__(self, channels: object, num_classes: int) -> None:
        super().__init__()
        self.output = nn.Conv2d(2, 1, 1)

    def loss(self, features, clips):
        return self.output(features).square().mean()


SPEC = MethodSpec(
    info=MethodInfo(
        name="phased",
        title="Phased",
        paradigm="tracking by detection",
        online=True,
        paper="none",
        licence="Apache-2.0",
    ),
    configs={
        "default": PhasedConfig(),
        "longer": PhasedConfig(later_training=(phase(7, 0.02, frames=3, batch_size=1),)),
    },
    choices=(),
    build=Phased,
)
