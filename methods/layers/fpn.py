"""Feature pyramid over a backbone, with names that say the stride.

Source: Lin et al., Feature Pyramid Networks (1x1 lateral and 3x3 output convolutions with bias, nearest
top-down); P6 and P7 as in CondInst, on P5 (specification 0.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from methods.layers.backbone import STRIDES


def level_name(stride: int) -> str:
    """Name of the pyramid level at a stride in pixels: 8 -> "p3"."""
    return f"p{int(log2(stride))}"


def level_stride(name: str) -> int:
    """Stride in pixels of a pyramid level: "p3" -> 8. Inverse of `level_name`."""
    return 2 ** int(name[1:])


class Fpn(nn.Module):
    """Feature pyramid network.

    in_channels: width of each backbone feature, as the backbone's attribute `channels`. levels: backbone
    features used, finest first. extra_p6p7: add P6 = 3x3 stride 2 on P5 and P7 = 3x3 stride 2 on ReLU(P6).

    forward: features {"res2": [B, C, H/4, W/4], ...} -> {"p2": [B, out_channels, H/4, W/4], ... "p7"}; only
    the levels built are present. Raises ValueError where P6 and P7 are asked for without P5.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int = 256,
        levels: Sequence[str] = ("res3", "res4", "res5"),
        extra_p6p7: bool = False,
    ) -> None:
        super().__init__()
        if extra_p6p7 and levels[-1] != "res5":
            raise ValueError(f"P6 and P7 are built on P5: levels must end with 'res5', not {levels[-1]!r}")
        self.names = {level: level_name(STRIDES[level]) for level in levels}
        self.channels = out_channels
        self.pyramid = FeaturePyramidNetwork(
            [in_channels[level] for level in levels],
            out_channels,
            # equal widths make torchvision's block read P5 and not the backbone's last feature
            extra_blocks=LastLevelP6P7(out_channels, out_channels) if extra_p6p7 else None,
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(self.pyramid({name: features[level] for level, name in self.names.items()}))
