"""Names and files of published checkpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from methods.mask2former_vis.checkpoint import from_reference
from methods.mask2former_vis.config import TINY, BackboneConfig
from methods.mask2former_vis.model import Mask2FormerVis

R50_TINY = replace(
    TINY,
    backbone=BackboneConfig(frozen_stages=0),
    decoder=replace(TINY.decoder, levels=("res5", "res4", "res3")),
)


def _published_name(own: str) -> str:
    """Inverse of the map, by hand, for the names of this model."""
    parts = own.split(".")
    if own.startswith("backbone.body.layer"):
        stage, block, layer, *rest = parts[2:]
        layer = {"downsample": "shortcut"}.get(layer, layer)
        if layer == "shortcut":
            rest = rest[1:] if rest[0] == "0" else ["norm", *rest[1:]]
        elif layer.startswith("bn"):
            layer, rest = f"conv{layer[2:]}", ["norm", *rest]
        return ".".join(["backbone", f"res{int(stage[5:]) + 1}", block, layer, *rest])
    if own.startswith("backbone.body."):
        return own.replace("body.bn1.", "stem.conv1.norm.").replace("body.conv1.", "stem.conv1.")
    table = [
        ("pixel_decoder.input_projections.", "sem_seg_head.pixel_decoder.input_proj."),
        ("pixel_decoder.level_embedding", "sem_seg_head.pixel_decoder.transformer.level_embed"),
        ("pixel_decoder.laterals.res2.0.", "sem_seg_head.pixel_decoder.adapter_1."),
        ("pixel_decoder.laterals.res2.1.", "sem_seg_head.pixel_decoder.adapter_1.norm."),
        ("pixel_decoder.outputs.res2.0.", "sem_seg_head.pixel_decoder.layer_1."),
        ("pixel_decoder.outputs.res2.1.", "sem_seg_head.pixel_decoder.layer_1.norm."),
        ("pixel_decoder.mask_features.", "sem_seg_head.pixel_decoder.mask_features."),
        ("decoder.norm.", "sem_seg_head.predictor.decoder_norm."),
        ("decoder.query_features.", "sem_seg_head.predictor.query_feat."),
        ("decoder.query_positions.", "sem_seg_head.predictor.query_embed."),
        ("decoder.level_embedding.", "sem_seg_head.predictor.level_embed."),
        ("decoder.class_head.", "sem_seg_head.predictor.class_embed."),
        ("decoder.mask_head.0.", "sem_seg_head.predictor.mask_embed.layers.0."),
        ("decoder.mask_head.2.", "sem_seg_head.predictor.mask_embed.layers.1."),
        ("decoder.mask_head.4.", "sem_seg_head.predictor.mask_embed.layers.2."),
    ]
    for prefix, published in table:
        if own.startswith(prefix):
            return published + own.removeprefix(prefix)
    if parts[0] == "pixel_decoder":
        inner = {
            "norm": "norm1",
            "attention.offsets": "self_attn.sampling_offsets",
            "attention.weights": "self_attn.attention_weights",
            "attention.value": "self_attn.value_proj",
            "attention.output": "self_attn.output_proj",
            "feed_forward.norm": "norm2",
            "feed_forward.linear1": "linear1",
            "feed_forward.linear2": "linear2",
        }[".".join(parts[3:-1])]
        return f"sem_seg_head.pixel_decoder.transformer.encoder.layers.{parts[2]}.{inner}.{parts[-1]}"
    block, inner = {
        "cross_attention": ("transformer_cross_attention_layers", "multihead_attn"),
        "self_attention": ("transformer_self_attention_layers", "self_attn"),
        "feed_forward": ("transformer_ffn_layers", "unused"),
    }[parts[3]]
    rest = ".".join(parts[4:]).replace("attention", inner, 1)
    return f"sem_seg_head.predictor.{block}.{parts[2]}.{rest}"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state = Mask2FormerVis(R50_TINY, 5).state_dict()
    return {_published_name(name): value for name, value in state.items()}


def test_every_parameter_has_a_published_name_and_comes_back(published) -> None:
    torch.manual_seed(2)
    model = Mask2FormerVis(R50_TINY, 5)
    state = {**published, "criterion.empty_weight": torch.ones(6), "pixel_mean": torch.zeros(3, 1, 1)}
    model.load_state_dict(from_reference(state))
    for name, value in model.state_dict().items():
        assert torch.equal(value, published[_published_name(name)]), name


def test_old_name_of_the_query_features() -> None:
    name = "sem_seg_head.predictor.static_query.weight"
    assert list(from_reference({name: torch.zeros(1)})) == ["decoder.query_features.weight"]


def test_an_unknown_name_stays_and_fits_nothing() -> None:
    assert list(from_reference({"roi_heads.box_head.fc1.weight": torch.zeros(1)})) == [
        "roi_heads.box_head.fc1.weight"
    ]
