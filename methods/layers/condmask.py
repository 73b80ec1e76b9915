"""Masks by dynamic filters: every instance brings the weights of its own small network.

Source: Tian et al., CondInst, and its public code (specification 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.fcos import level_points


def _conv_norm_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    # a = 1 leaves out the gain of a ReLU: the Xavier filling of Caffe2, as AdelaiDet's mask branch
    nn.init.kaiming_uniform_(conv.weight, a=1)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class MaskBranch(nn.Module):
    """Features that all instances of an image share.

    levels: pyramid levels, finest first. convs: 3x3 convolutions after the sum.

    forward: {"p3": [B, in_channels, H/8, W/8], "p4", "p5"} -> [B, out_channels, H/8, W/8]: each level is
    refined, upsampled to the finest (aligned bilinear) and summed.
    """

    def __init__(
        self, in_channels: int, hidden: int, out_channels: int, levels: Sequence[str], convs: int = 4
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.refine = nn.ModuleDict({level: _conv_norm_relu(in_channels, hidden) for level in self.levels})
        self.tower = nn.Sequential(
            *(_conv_norm_relu(hidden, hidden) for _ in range(convs)), nn.Conv2d(hidden, out_channels, 1)
        )

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        total = self.refine[self.levels[0]](features[self.levels[0]])
        for level in self.levels[1:]:
            refined = self.refine[level](features[level])
            total = total + aligned_upsample(refined, total.shape[-1] // refined.shape[-1])
        return self.tower(total)


def num_dynamic_parameters(in_channels: int = 8, hidden: int = 8, coordinates: bool = True) -> int:
    """Length of one instance's filter vector: 1x1 convolutions in -> hidden -> hidden -> 1 with biases."""
    inputs = in_channels + (2 if coordinates else 0)
    return inputs * hidden + hidden * hidden + hidden + 2 * hidden + 1


def relative_coordinates(
    centres: Tensor, sizes_of_interest: Tensor, rows: int, columns: int, stride: int
) -> Tensor:
    """(instance - cell) / S for every cell of the mask feature: [n, 2, rows * columns], x before y.

    centres: [n, 2] (x, y) in pixels. sizes_of_interest: [n], S in pixels. Source: CondInst public code.
    """
    cells = level_points(rows, columns, stride, centres.device)
    offsets = centres[:, :, None] - cells.T[None]
    return offsets / sizes_of_interest[:, None, None]


def dynamic_mask_logits(
    mask_feature: Tensor,
    kernels: Tensor,
    image_index: Tensor,
    centres: Tensor,
    sizes_of_interest: Tensor,
    stride: int = 8,
    coordinates: bool = True,
    hidden: int = 8,
) -> Tensor:
    """Run each instance's own network over the mask feature of its image.

    mask_feature: [B, K, h, w]. kernels: [n, num_dynamic_parameters(K, hidden, coordinates)], the three weight
    blocks [hidden, inputs], [hidden, hidden], [1, hidden] and then the three bias blocks. image_index: [n]
    int64. centres: [n, 2] (x, y) in pixels. sizes_of_interest: [n] in pixels. stride: of the mask feature.
    The coordinate planes come before the features.

    Returns logits [n, h, w] at the feature's stride. Raises ValueError where the kernels' length is wrong.
    Source: CondInst public code; STC Eq 1.
    """
    channels, rows, columns = mask_feature.shape[1:]
    expected = num_dynamic_parameters(channels, hidden, coordinates)
    if kernels.shape[1] != expected:
        raise ValueError(
            f"kernels have {kernels.shape[1]} parameters, but {channels} mask channels, {hidden} hidden "
            f"channels and coordinates={coordinates} need {expected}"
        )
    inputs = channels + (2 if coordinates else 0)
    w1, w2, w3, b1, b2, b3 = kernels.split(
        [inputs * hidden, hidden * hidden, hidden, hidden, hidden, 1], dim=1
    )
    x = mask_feature.flatten(2)[image_index]
    if coordinates:
        offsets = relative_coordinates(centres, sizes_of_interest, rows, columns, stride)
        x = torch.cat((offsets.to(x.dtype), x), dim=1)
    x = torch.relu(torch.baddbmm(b1[:, :, None], w1.unflatten(1, (hidden, inputs)), x))
    x = torch.relu(torch.baddbmm(b2[:, :, None], w2.unflatten(1, (hidden, hidden)), x))
    x = torch.baddbmm(b3[:, :, None], w3[:, None], x)
    return x[:, 0].unflatten(1, (rows, columns))


def aligned_upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling of [..., h, w] that keeps coarse cell i at fine pixel i * factor + factor // 2.

    Borders are replicated. Returns [..., h * factor, w * factor]. Source: CondInst public code.
    """
    if factor == 1:
        return x
    height, width = x.shape[-2:]
    flat = x.reshape(-1, 1, height, width)
    if flat.shape[0] == 0:
        # interpolation refuses empty batches on some devices; this keeps the graph, new zeros would not
        return x.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)
    flat = F.pad(flat, (0, 1, 0, 1), mode="replicate")
    size = (height * factor + 1, width * factor + 1)
    flat = F.interpolate(flat, size=size, mode="bilinear", align_corners=True)
    shift = factor // 2
    flat = F.pad(flat, (shift, 0, shift, 0), mode="replicate")
    return flat[..., : height * factor, : width * factor].reshape(
        *x.shape[:-2], height * factor, width * factor
    )


def stride4_masks(masks: Tensor) -> Tensor:
    """Sample full-size masks [..., H, W] at the pixels that stride-4 logits stand for: 2, 6, 10, ...

    Returns [..., H / 4, W / 4] (H and W multiples of 4, else rounded up from pixel 2). Source: CondInst
    public code.
    """
    return masks[..., 2::4, 2::4]
