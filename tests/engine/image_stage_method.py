"""A method in one file with an image stage: one bright-pixel filter, one tracking scale, pairs on demand."""

from dataclasses import dataclass, field, replace

import torch
from torch import nn
from toy_method import INFO, Toy

from vis_bench.method import Augmentation, ClipSampling, ImageStage, MethodSpec, TrainConfig


@dataclass(frozen=True)
class StagedConfig:
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            iterations=4,
            batch_size=2,
            optimizer="adamw",
            lr=0.05,
            sampling=ClipSampling(frames=2),
            augmentation=Augmentation(flip=0.5),
        )
    )
    width: int = 1
    track_weight: float = 1.0
    threshold: float = 0.5
    fail_on_images: bool = False
    noise: float = 0.0
    helpers: int = 0
    fail_on_frame: int = -1
    die_on_frame: int = -1
    read_ahead: int = 0


class Staged(Toy):
    def __init__(self, config: StagedConfig, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.mixed = nn.Conv2d(1, config.width, 1)
        self.track_head = nn.Parameter(torch.randn(()))

    def losses(self, clips):
        if self.config.track_weight == 0 and self.config.fail_on_images:
            raise RuntimeError("the images broke it")
        terms = super().losses(clips)
        terms["mixed"] = self.mixed(self.filter(clips[0].frames.float() / 255)).square().mean()
        if self.config.track_weight > 0:
            terms["track"] = self.config.track_weight * self.track_head.square()
        return terms


STAGE = ImageStage(overrides={"track_weight": 0.0}, unused=("threshold",), new=("track_head",))
SPEC = MethodSpec(
    info=replace(INFO, name="staged"),
    configs={"default": StagedConfig(), "quick": StagedConfig()},
    choices=(),
    build=Staged,
    variants={"strict": {"threshold": 0.9}, "wide": {"width": 3}, "no-track": {"track_weight": 0.0}},
    image_stage=STAGE,
)
PAIRS = replace(SPEC, info=replace(INFO, name="paired"), image_stage=replace(STAGE, frames=2))
