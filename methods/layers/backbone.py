"""Image backbones behind one interface: a dict of feature maps at strides 4, 8, 16 and 32.

Source: He et al., Deep Residual Learning (stride in the 3x3 convolution, as torchvision builds it, or in the
first 1x1 one, as the authors built it: `stride_in_1x1`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50, resnet101
from torchvision.ops import FrozenBatchNorm2d

from methods.layers.backbone_config import BackboneConfig
from methods.layers.swin import SIZES as SWIN_SIZES
from methods.layers.swin import Swin

STRIDES = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}


class FrozenNorm(FrozenBatchNorm2d):
    """torchvision's frozen normalisation; one fused operation where no gradient is asked for.

    forward: [B, C, H, W] -> the same shape. Both ways agree up to rounding.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class ResNet(nn.Module):
    """torchvision's ResNet without its classifier.

    forward: images [B, 3, H, W] float (normalised) -> {"res2": [B, 256, H/4, W/4], ..., "res5": [B, 2048,
    H/32, W/32]}.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        norm = FrozenNorm if config.frozen_norm else nn.BatchNorm2d
        make = {"resnet50": resnet50, "resnet101": resnet101}[config.name]
        body = make(weights=None, norm_layer=norm)
        del body.fc, body.avgpool
        if config.stride_in_1x1:
            for stage in (body.layer2, body.layer3, body.layer4):
                stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        self.body = body
        self.channels = {"res2": 256, "res3": 512, "res4": 1024, "res5": 2048}
        _freeze([body.conv1, body.bn1], [getattr(body, f"layer{i}") for i in range(1, 5)], config)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(images))))
        features = {}
        for i, name in enumerate(STRIDES, start=1):
            x = getattr(body, f"layer{i}")(x)
            features[name] = x
        return features


def _freeze(stem: Sequence[nn.Module], stages: Sequence[nn.Module], config: BackboneConfig) -> None:
    """Take the gradient from the stem and the first `frozen_stages - 1` residual stages."""
    frozen = [*stem, *stages[: config.frozen_stages - 1]] if config.frozen_stages else []
    for module in frozen:
        module.requires_grad_(False)


class _Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut (the basic block of He et al.)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """A ResNet of about 0.9 M parameters for `shapes` on a CPU; same strides and feature names.

    forward: as `ResNet`, channels `config.widths`.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        widths = config.widths
        self.channels = dict(zip(STRIDES, widths, strict=True))
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        inputs = (widths[0], *widths[:3])
        self.stages = nn.ModuleDict(
            {
                name: nn.Sequential(_Residual(n_in, n_out, 2), *([_Residual(n_out, n_out, 1)] if i else []))
                for i, (name, n_in, n_out) in enumerate(zip(STRIDES, inputs, widths, strict=True))
            }
        )
        _freeze([self.stem], list(self.stages.values()), config)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = self.stem(images)
        features = {}
        for name, stage in self.stages.items():
            x = stage(x)
            features[name] = x
        return features


def build_backbone(config: BackboneConfig) -> ResNet | SmallResNet | Swin:
    """The backbone that `config` names; its attribute `channels` gives the width of each feature."""
    if config.name == "small":
        return SmallResNet(config)
    return Swin(config) if config.name in SWIN_SIZES else ResNet(config)
