"""Backbones: strides, widths, parameter counts and what is frozen."""

import pytest
import torch
from closeness import assert_close_to_largest, in_float64
from torchvision.ops import FrozenBatchNorm2d

from methods.layers.backbone import STRIDES, FrozenNorm, build_backbone
from methods.layers.backbone_config import BackboneConfig

SMALL = BackboneConfig(name="small", frozen_stages=0, frozen_norm=False)


@pytest.mark.parametrize("config", [SMALL, BackboneConfig()])
def test_strides_and_widths(config):
    backbone = build_backbone(config).eval()
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert {name: 64 // x.shape[-2] for name, x in features.items()} == STRIDES
    assert {name: x.shape[1] for name, x in features.items()} == backbone.channels


@pytest.mark.parametrize(("name", "count"), [("resnet50", 23_508_032), ("resnet101", 42_500_160)])
def test_parameters_with_the_affine_part_of_frozen_norm(name, count):
    """Source: specification 0.3."""
    backbone = build_backbone(BackboneConfig(name=name))
    frozen_affine = sum(
        layer.weight.numel() + layer.bias.numel()
        for layer in backbone.modules()
        if isinstance(layer, FrozenBatchNorm2d)
    )
    assert sum(p.numel() for p in backbone.parameters()) + frozen_affine == count


def trainable_parts(backbone):
    return {
        name.split(".")[1] if name.startswith("body") else ".".join(name.split(".")[:2])
        for name, p in backbone.named_parameters()
        if p.requires_grad
    }


def test_stem_and_res2_are_frozen_in_the_paper_setting():
    assert trainable_parts(build_backbone(BackboneConfig(frozen_norm=False))) == {
        "layer2",
        "layer3",
        "layer4",
    }
    assert "conv1" in trainable_parts(build_backbone(BackboneConfig(frozen_stages=0)))


def test_the_small_one_freezes_too():
    small = build_backbone(BackboneConfig(name="small", frozen_stages=2, frozen_norm=False))
    assert trainable_parts(small) == {"stages.res3", "stages.res4", "stages.res5"}
    assert len(trainable_parts(build_backbone(SMALL))) > 4


@in_float64()
def test_frozen_norm_is_the_same_with_and_without_gradients():
    torch.manual_seed(0)
    norm = FrozenNorm(3)
    for buffer in norm.buffers():
        buffer.uniform_(0.5, 2.0)
    x = torch.randn(2, 3, 4, 5)
    shape = (1, 3, 1, 1)
    mean, variance = norm.running_mean.view(shape), norm.running_var.view(shape)
    wanted = (x - mean) / (variance + 1e-5).sqrt() * norm.weight.view(shape) + norm.bias.view(shape)
    assert_close_to_largest(norm(x), wanted, terms=10)
    with torch.no_grad():
        assert_close_to_largest(norm(x), wanted, terms=10)
