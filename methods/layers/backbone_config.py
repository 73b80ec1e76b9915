"""Which backbone to build; apart from `backbone` so that reading a configuration imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which backbone and what of it is frozen.

    frozen_stages: 0 none, 1 the stem, 2 stem + res2 (parameters without gradient). frozen_norm: BatchNorm
    replaced by FrozenBatchNorm2d (affine and statistics fixed). widths: channels of res2..res5, `small` only.
    """

    name: Literal["resnet50", "resnet101", "small"] = "resnet50"
    frozen_stages: int = 2
    frozen_norm: bool = True
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
