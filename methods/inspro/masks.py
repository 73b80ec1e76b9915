"""The mask head: a shared mask branch, and per slot a small network that its object features generate.

Source: InsPro, Sec 3.2 and Eq 2; Tian et al., CondInst; specification 6.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.inspro.config import InsProConfig
from methods.layers.condmask import MaskBranch, aligned_upsample, dynamic_mask_logits, num_dynamic_parameters
from methods.layers.fpn import level_stride
from methods.layers.transfer import constant

MASK_CHANNELS = 8
# CondInst's sizes of interest of P3..P7; a box takes the first that its longer side does not exceed
SIZES_OF_INTEREST_PX = (64.0, 128.0, 256.0, 512.0, 1024.0)


def coordinate_scale(boxes: Tensor, kind: str) -> Tensor:
    """Divisor in px of the relative coordinates of each box [n, 4] -> [n].

    kind: "size_of_interest" (CondInst's scale by the longer side), "pixels" (1) or "box_size" (longer side).
    Source: specification 6.1 and D13.
    """
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1)
    if kind == "pixels":
        return torch.ones_like(longer)
    if kind == "box_size":
        return longer.clamp(min=1.0)
    sizes = constant(SIZES_OF_INTEREST_PX, longer.device, longer.dtype)
    return sizes[torch.bucketize(longer, sizes[:-1])]


def weight_generator(config: InsProConfig) -> nn.Module:
    """Object features [n, dim] -> filter vectors [n, 169]."""
    dim, outputs = config.dim, num_dynamic_parameters(MASK_CHANNELS)
    if config.generator == "linear":
        return nn.Linear(dim, outputs)
    return nn.Sequential(
        nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, outputs)
    )


class MaskHead(nn.Module):
    """Mask logits of slots; the branch is shared by all stages, every stage has its own weight generator."""

    def __init__(self, config: InsProConfig) -> None:
        super().__init__()
        self.branch = MaskBranch(config.dim, config.mask_hidden, MASK_CHANNELS, config.mask_levels)
        self.generators = nn.ModuleList(weight_generator(config) for _ in range(config.stages))
        self.stride = level_stride(config.mask_levels[0])
        self.coordinate_scale = config.coordinate_scale

    def features(self, pyramid: Mapping[str, Tensor]) -> Tensor:
        """Mask features [B, 8, h, w] of the pyramid of B images, computed once per frame."""
        return self.branch(pyramid)

    def forward(
        self, stage: int, masks: Tensor, image_index: Tensor, object_features: Tensor, boxes: Tensor
    ) -> Tensor:
        """Mask logits [n, H / 4, W / 4] of n slots at one stage.

        masks: mask features [B, 8, h, w]. image_index: [n] int64. object_features: [n, dim]. boxes: [n, 4] px
        predicted by the same stage; their centres are the origin of the relative coordinates, and no gradient
        flows into them.
        """
        boxes = boxes.detach()
        logits = dynamic_mask_logits(
            masks,
            self.generators[stage](object_features),
            image_index,
            0.5 * (boxes[:, :2] + boxes[:, 2:]),
            coordinate_scale(boxes, self.coordinate_scale),
            stride=self.stride,
        )
        return aligned_upsample(logits, self.stride // 4)
