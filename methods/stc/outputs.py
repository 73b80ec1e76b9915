"""What the STC network says about a batch; apart from the model, so that losses and inference can name it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.layers.fcos import Grid


@dataclass(frozen=True, slots=True)
class StcOutputs:
    """Everything that the network says about B images.

    grid: the L points. class_logits: [B, L, C]. ltrb: [B, L, 4] pixels, >= 0. centre_logits: [B, L].
    kernels: [B, L, K] filter vectors. mask_feature: [B, mask_channels, H/8, W/8]. embedding: [B, D, H/8,
    W/8].
    """

    grid: Grid
    class_logits: Tensor
    ltrb: Tensor
    centre_logits: Tensor
    kernels: Tensor
    mask_feature: Tensor
    embedding: Tensor
