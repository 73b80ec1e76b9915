"""Variants that swap the backbone: what they set, and that the model's sizes follow."""

import pytest
import torch

from methods.layers.backbone_variants import swin_variants
from vis_bench.setup.config import choose_config
from vis_bench.setup.plugins import build_method, load_spec


def parameters(method, variant):
    """Of the paper configuration at 40 classes, frozen BatchNorm's affine part included."""
    spec = load_spec(method)
    _, config = choose_config(spec, variant, "paper")
    with torch.device("meta"):
        model = build_method(spec, config, 40)
    state = {name: value for name, value in model.named_buffers() if name.endswith((".weight", ".bias"))}
    return sum(value.numel() for value in (*model.parameters(), *state.values()))


# Source: specification 0.3
R50, R101 = 23_508_032, 42_500_160


@pytest.mark.parametrize("method", ["stc", "inspro", "mask2former_vis", "masktrack_rcnn", "ifr"])
def test_resnet101_changes_the_body_only(method):
    assert parameters(method, "r101") - parameters(method, None) == R101 - R50


@pytest.mark.parametrize(
    ("variant", "body", "pixel_decoder", "queries"),
    [
        ("swin-t", 27_520_698, 5_421_504, 100),
        ("swin-s", 48_838_602, 5_421_504, 100),
        ("swin-l", 195_201_204, 5_790_144, 100),
        ("swin-l-200", 195_201_204, 5_790_144, 200),
    ],
)
def test_mask2former_vis_on_swin(variant, body, pixel_decoder, queries):
    """A further query has a feature and a position of 256 numbers each."""
    decoder = 14_469_161 + (queries - 100) * 2 * 256
    assert parameters("mask2former_vis", variant) == body + pixel_decoder + decoder


def test_querytrack_on_the_swin_of_queryinst():
    """Windows of 7: 360 fewer rows of bias for each of 564 pairs of block and head. The pyramid's lateral
    convolutions read 192 to 1536 channels, not 256 to 2048; 200 queries more have 256 + 4 numbers each."""
    swin_l = 195_201_204 - 360 * 564
    lateral = 256 * (15 * 192 - 15 * 256)
    difference = parameters("querytrack", "swin-l") - parameters("querytrack", None)
    assert difference == swin_l - R50 + lateral + 200 * 260


def test_swin_is_tested_at_480():
    spec = load_spec("mask2former_vis")
    assert {choose_config(spec, f"swin-{s}", "paper")[1].test_short_side for s in "tsbl"} == {480}
    assert choose_config(spec, "r101", "paper")[1].test_short_side == 360
    assert swin_variants("l", test_short_side=None) == {"swin-l": {"backbone.name": "swin_l"}}
