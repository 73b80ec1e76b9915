"""What a clip-level method is trained towards: the objects of a clip and their masks in all of its frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class ClipTarget:
    """Objects of one clip on the padded frames.

    labels: [N] int64 in 0..C-1, from the object record, so that they are right for an object that is absent
    from some frame. masks: [N, T, H, W] float32 of 0 and 1, all zero in frames where the object is absent.
    """

    labels: Tensor
    masks: Tensor


def clip_target(clip: Clip, padded: tuple[int, int]) -> ClipTarget:
    """The clip's objects with their masks padded right and bottom to `padded` (height, width)."""
    height, width = clip.masks.shape[-2:]
    masks = clip.masks.transpose(0, 1).float()
    return ClipTarget(clip.labels, F.pad(masks, (0, padded[1] - width, 0, padded[0] - height)))
