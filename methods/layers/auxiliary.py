"""A semantic head on backbone features: the head of the shared pretraining and of the auxiliary loss.

Not from any of the papers: it belongs to the protocol and is the same for every method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.backbone import STRIDES
from vis_bench.method import Clip

IGNORED_LABEL = 255


class SemanticHead(nn.Module):
    """1x1 convolutions bring res2..res5 to one width, the sum at stride 4 is classified per pixel.

    forward: features {"res2": [B, C2, H/4, W/4], ...} -> logits [B, 1 + num_classes, H/4, W/4]; channel 0
    is background.
    """

    def __init__(self, channels: Mapping[str, int], num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleDict({name: nn.Conv2d(channels[name], width, 1) for name in STRIDES})
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.classify = nn.Conv2d(width, 1 + num_classes, 1)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        size = features["res2"].shape[-2:]
        total = torch.stack(
            [
                F.interpolate(layer(features[name]), size=size, mode="bilinear", align_corners=False)
                for name, layer in self.lateral.items()
            ]
        ).sum(0)
        return self.classify(torch.relu(self.mix(torch.relu(total))))

    def loss(self, features: Mapping[str, Tensor], clips: Sequence[Clip]) -> Tensor:
        """Mean cross-entropy against the clips' masks at stride 4.

        features: of all frames of all clips, clip after clip. Raises ValueError when the number of images
        differs from the number of frames (the method ran its backbone in another order or more than once).
        """
        logits = self(features)
        frames = sum(clip.frames.shape[0] for clip in clips)
        if logits.shape[0] != frames:
            raise ValueError(
                f"the auxiliary loss needs the features of all {frames} frames from one backbone call, "
                f"clip after clip; it got {logits.shape[0]}"
            )
        targets = torch.full(
            (frames, *logits.shape[-2:]), IGNORED_LABEL, dtype=torch.int64, device=logits.device
        )
        start = 0
        for clip in clips:
            for offset, (masks, size) in enumerate(
                zip(clip.masks, [clip.frames.shape[-2:]] * clip.frames.shape[0], strict=True)
            ):
                target = semantic_target(masks, clip.labels, (size[0], size[1]))
                targets[start + offset, : target.shape[0], : target.shape[1]] = target
            start += clip.frames.shape[0]
        return F.cross_entropy(logits, targets, ignore_index=IGNORED_LABEL)


def semantic_target(masks: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Class map of one frame at stride 4: masks [N, H, W] bool, labels [N] -> int64 [ceil(H/4), ceil(W/4)].

    0 is background, class c is c + 1; the pixel at offset 2 of each 4x4 block decides (clamped at the edge).
    """
    height, width = size
    rows = torch.arange(0, height, 4, device=masks.device).add_(2).clamp_(max=height - 1)
    columns = torch.arange(0, width, 4, device=masks.device).add_(2).clamp_(max=width - 1)
    small = masks[:, rows][:, :, columns]
    target = torch.zeros(small.shape[1:], dtype=torch.int64, device=masks.device)
    for mask, label in zip(small, labels, strict=True):
        # a write under the mask would make the host wait for its size
        target = torch.where(mask, label + 1, target)
    return target
