"""Methods that find one bright object by its brightness and return it as a box, some of them wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn
from toy_method import INFO, ToyConfig

from vis_bench.masks.rle import encode_or_none, tight_box
from vis_bench.method import FrameDetection, FrameResult, MethodSpec, TrainConfig, VideoInstance


@dataclass(frozen=True)
class BoxConfig:
    train: TrainConfig = field(default_factory=lambda: ToyConfig().train)


class Bright(nn.Module):
    """returns: `boxes`, `masks`, `both` or `negative` (boxes of negative width)."""

    def __init__(self, returns):
        super().__init__()
        self.returns = returns
        self.unused = nn.Parameter(torch.ones(1))

    def losses(self, clips):
        return {"nothing": (self.unused - 1).square().sum()}

    def track(self, video, frames):
        for index, frame in enumerate(frames):
            mask = encode_or_none((frame[0] > 130).cpu().numpy()[None])[0]
            yield FrameResult(index, (FrameDetection(0, np.ones(1), mask, tight_box(mask)),))

    def summarise(self, video, results):
        found = [result.detections[0] for result in results]
        masks = tuple(one.segmentation if self.returns in ("masks", "both") else None for one in found)
        boxes = tuple(one.box for one in found)
        if self.returns == "negative":
            boxes = tuple((x, y, -width, height) for x, y, width, height in boxes)
        return [VideoInstance(0, 0.9, masks, None if self.returns == "masks" else boxes)]


def _spec(returns, iou_type):
    info = replace(INFO, name=f"bright_{returns}", iou_type=iou_type)
    return MethodSpec(
        info=info, configs={"default": BoxConfig()}, choices=(), build=lambda config, classes: Bright(returns)
    )


ORACLE = _spec("boxes", "bbox")
MASKS = _spec("masks", "bbox")
BOTH = _spec("both", "bbox")
NEGATIVE = _spec("negative", "bbox")
UNDECLARED = _spec("boxes", "segm")
