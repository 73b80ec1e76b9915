"""The public Mask2Former-VIS from a checkout of its own, to measure against; nothing of it is kept here.

Its decoder, pixel decoder, position encodings and inference run unchanged. What it imports of detectron2 and
fvcore is replaced by the stand-ins below: they compute what the originals compute in evaluation (fused frozen
normalisation, convolution with norm and activation, padding to a multiple of 32). Its compiled deformable
attention needs a GPU; without it the public code falls back to its own plain PyTorch function, as here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.ops import FrozenBatchNorm2d

CHANNELS = {"res2": 256, "res3": 512, "res4": 1024, "res5": 2048}


class _Module(ModuleType):
    """A module in which every name that was not put there is an empty class: imported, never used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Registry:
    def __init__(self, name: str = "") -> None:
        self.name = name

    def register(self) -> Any:
        return lambda cls: cls


class _Shape:
    def __init__(self, channels: int, stride: int) -> None:
        self.channels, self.stride = channels, stride


class _Conv2d(nn.Conv2d):
    def __init__(self, *args: Any, norm: Any = None, activation: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.norm, self.activation = norm, activation

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


class _FusedFrozenNorm(FrozenBatchNorm2d):
    """One fused operation, as detectron2 does where no gradient is asked for."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps
        )


class _Images:
    def __init__(self, tensor: Tensor, sizes: list[tuple[int, int]]) -> None:
        self.tensor, self.image_sizes = tensor, sizes

    @staticmethod
    def from_tensors(images: list[Tensor], divisor: int) -> _Images:
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        height, width = (-(-max(side) // divisor) * divisor for side in zip(*sizes, strict=True))
        padded = [F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2])) for x in images]
        return _Images(torch.stack(padded), sizes)


class _Backbone(nn.Module):
    """torchvision's ResNet-50, which has detectron2's stride in the 3x3 convolution."""

    size_divisibility = 32

    def __init__(self) -> None:
        super().__init__()
        body = resnet50(weights=None, norm_layer=_FusedFrozenNorm)
        del body.fc, body.avgpool
        self.body = body

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        body = self.body
        x = body.maxpool(F.relu_(body.bn1(body.conv1(images))))
        features = {}
        for i, name in enumerate(CHANNELS, start=1):
            features[name] = x = getattr(body, f"layer{i}")(x)
        return features


class _Head(nn.Module):
    """What MaskFormerHead does: pixel decoder, then predictor."""

    def __init__(self, pixel_decoder: nn.Module, predictor: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.pixel_decoder, self.predictor, self.num_classes = pixel_decoder, predictor, num_classes

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        mask_features, _, multi_scale = self.pixel_decoder.forward_features(features)
        return self.predictor(multi_scale, mask_features, None)


def _stand_in(name: str, path: Path | None = None, **content: Any) -> None:
    module = _Module(name)
    module.__path__ = [] if path is None else [str(path)]  # type: ignore[attr-defined]
    vars(module).update(content)
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)


def _xavier(module: nn.Module) -> None:
    nn.init.kaiming_uniform_(module.weight, a=1)


def _prepare(checkout: Path) -> None:
    """Stand-ins, and the public packages without their `__init__` files, which import what is not needed."""
    _stand_in("fvcore")
    _stand_in("fvcore.nn")
    _stand_in("fvcore.nn.weight_init", c2_xavier_fill=_xavier)
    _stand_in("detectron2")
    _stand_in("detectron2.config", configurable=lambda init: init)
    _stand_in(
        "detectron2.layers", Conv2d=_Conv2d, ShapeSpec=_Shape, get_norm=lambda _, dims: nn.GroupNorm(32, dims)
    )
    _stand_in(
        "detectron2.modeling",
        SEM_SEG_HEADS_REGISTRY=_Registry(),
        META_ARCH_REGISTRY=_Registry(),
    )
    _stand_in("detectron2.modeling.backbone")
    _stand_in("detectron2.modeling.postprocessing")
    _stand_in("detectron2.data")
    _stand_in("detectron2.structures", ImageList=_Images)
    _stand_in("detectron2.utils")
    _stand_in("detectron2.utils.registry", Registry=_Registry)
    _stand_in("MultiScaleDeformableAttention")
    for package in ("mask2former", "mask2former_video"):
        for name in (package, f"{package}.modeling", f"{package}.modeling.transformer_decoder"):
            _stand_in(name, checkout / name.replace(".", "/"))
    _stand_in("mask2former_video.modeling.criterion")
    _stand_in("mask2former_video.modeling.matcher")
    _stand_in("mask2former_video.utils", checkout / "mask2former_video/utils")
    _stand_in("mask2former.modeling.pixel_decoder", checkout / "mask2former/modeling/pixel_decoder")


def build_reference(checkout: Path, num_classes: int) -> nn.Module:
    """The public model with a ResNet-50 and the sizes of the paper, random weights, in evaluation mode.

    checkout: folder that holds the packages `mask2former` and `mask2former_video`.
    """
    _prepare(checkout)
    from mask2former.modeling.pixel_decoder.msdeformattn import MSDeformAttnPixelDecoder
    from mask2former_video.modeling.transformer_decoder.video_mask2former_transformer_decoder import (
        VideoMultiScaleMaskedTransformerDecoder,
    )
    from mask2former_video.video_maskformer_model import VideoMaskFormer

    pixel_decoder = MSDeformAttnPixelDecoder(
        {name: _Shape(width, 4 * 2**i) for i, (name, width) in enumerate(CHANNELS.items())},
        transformer_dropout=0.0,
        transformer_nheads=8,
        transformer_dim_feedforward=1024,
        transformer_enc_layers=6,
        conv_dim=256,
        mask_dim=256,
        norm="GN",
        transformer_in_features=["res3", "res4", "res5"],
        common_stride=4,
    )
    predictor = VideoMultiScaleMaskedTransformerDecoder(
        256,
        num_classes=num_classes,
        hidden_dim=256,
        num_queries=100,
        nheads=8,
        dim_feedforward=2048,
        dec_layers=9,
        pre_norm=False,
        mask_dim=256,
        enforce_input_project=False,
        num_frames=2,
    )
    return VideoMaskFormer(
        backbone=_Backbone(),
        sem_seg_head=_Head(pixel_decoder, predictor, num_classes),
        criterion=None,
        num_queries=100,
        object_mask_threshold=0.8,
        overlap_threshold=0.8,
        metadata=None,
        size_divisibility=32,
        sem_seg_postprocess_before_inference=True,
        pixel_mean=(123.675, 116.28, 103.53),
        pixel_std=(58.395, 57.12, 57.375),
        num_frames=2,
    ).eval()
