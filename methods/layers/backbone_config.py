"""Which backbone to build; apart from `backbone` so that reading a configuration imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vis_bench.method import ADDED_LATER


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which backbone and what of it is frozen.

    frozen_stages: 0 none, 1 the stem (Swin: patch embedding), 2 stem + res2 (parameters without gradient).
    frozen_norm: BatchNorm replaced by FrozenBatchNorm2d (affine and statistics fixed); Swin has none. widths:
    channels of res2..res5, `small` only. drop_path: probability that training skips the last residual branch,
    rising linearly from 0 at the first; Swin only. window: cells per side, Swin only; None: 7 for swin_t and
    swin_s, 12 for swin_b and swin_l. stride_in_1x1: a ResNet's stages reduce the size in the first 1x1
    convolution and not in the 3x3 one, as in the weights of MSRA; a file of weights sets it.
    """

    name: Literal["resnet50", "resnet101", "swin_t", "swin_s", "swin_b", "swin_l", "small"] = "resnet50"
    frozen_stages: int = 2
    frozen_norm: bool = True
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    drop_path: float = 0.3
    window: int | None = None
    stride_in_1x1: bool = field(default=False, metadata=dict(ADDED_LATER))
