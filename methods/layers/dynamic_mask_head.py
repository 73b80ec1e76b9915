"""QueryInst's mask branch: a query filters the features of its box, a small network draws the mask.

Source: Fang et al., Instances as Queries, Sec 3.2 and Eq 2; specification 2.1, step 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from methods.layers.dynconv import QUERYINST_DYNAMIC_CONV, DynamicConv

GROUPS = 16


class DynamicMaskHead(nn.Module):
    """DynamicConv without projection, `convs` x (3x3 convolution, norm, ReLU), 2x2 deconvolution, ReLU, 1x1.

    dim: query and feature channels. hidden: inner width of the dynamic convolution. channels: width of the
    convolutions. norm: "batch" (QueryInst; its statistics are trained and taken over all boxes of a batch) or
    "group" (16 groups, independent of the batch). 11,057,064 parameters at 40 classes and the default sizes
    (the convolutions have a bias although a norm follows, as the public code says explicitly).

    forward: queries [n, dim] after self-attention (not the object features), roi features [n, dim, r, r] of
    the refined box -> class-specific mask logits [n, num_classes, 2 r, 2 r]; n may be 0.
    """

    def __init__(
        self,
        num_classes: int,
        dim: int = 256,
        hidden: int = 64,
        resolution: int = 14,
        channels: int = 256,
        convs: int = 4,
        norm: Literal["batch", "group"] = "batch",
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.interaction = DynamicConv(dim, hidden, resolution, project=False)
        blocks = []
        for i in range(convs):
            layer = nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(GROUPS, channels)
            blocks.append(nn.Sequential(nn.Conv2d(channels if i else dim, channels, 3, padding=1), layer))
        self.convs = nn.ModuleList(blocks)
        self.upsample = nn.ConvTranspose2d(channels if convs else dim, channels, 2, stride=2)
        self.output = nn.Conv2d(channels, num_classes, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform for every matrix and convolution, zero bias of the output (QueryInst's code)."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.zeros_(self.output.get_parameter("bias"))

    def forward(self, queries: Tensor, roi: Tensor) -> Tensor:
        count, side = roi.shape[0], roi.shape[-1]
        if count == 0:
            # batch statistics of nothing are NaN and would stay in the running averages
            return roi.new_zeros((0, self.num_classes, 2 * side, 2 * side))
        x = self.interaction(queries, roi).transpose(1, 2).unflatten(2, (side, side))
        for conv in self.convs:
            x = torch.relu(conv(x))
        return self.output(torch.relu(self.upsample(x)))


def mask_head_from_queryinst(weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Rename one mask head of QueryInst's public checkpoints to a `DynamicMaskHead` state.

    weights: the checkpoint's tensors by name. prefix: what precedes the names of one stage,
    `roi_head.mask_head.0.` for the first stage of a published checkpoint; other names are left out. Raises
    KeyError for a name under the prefix that belongs to no part of a mask head.
    """
    parts = {
        **{f"instance_interactive_conv.{a}": f"interaction.{b}" for a, b in QUERYINST_DYNAMIC_CONV.items()},
        "upsample": "upsample",
        "conv_logits": "output",
    }
    renamed = {}
    for name, value in weights.items():
        if not name.startswith(prefix):
            continue
        part, _, kind = name.removeprefix(prefix).rpartition(".")
        pieces = part.split(".")
        if pieces[0] == "convs" and len(pieces) == 3 and pieces[2] in ("conv", "bn", "gn"):
            renamed[f"convs.{pieces[1]}.{0 if pieces[2] == 'conv' else 1}.{kind}"] = value
        elif part in parts:
            renamed[f"{parts[part]}.{kind}"] = value
        else:
            raise KeyError(
                f"{name!r} is no parameter of a QueryInst mask head; is the prefix {prefix!r} right?"
            )
    return renamed
