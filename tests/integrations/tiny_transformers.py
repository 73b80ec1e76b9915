"""Tiny models of transformers with random weights, saved as users have them: no hub is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from transformers.models.sam2_video import configuration_sam2_video as sam2

LABELS = {0: "cell", 1: "dog", 2: "Square"}
_SIDE = 64


def _named() -> dict[str, Any]:
    return {"id2label": LABELS, "label2id": {name: label for label, name in LABELS.items()}}


def videomt(folder: Path) -> None:
    """Six queries, patches of 16 pixels."""
    config = hf.VideomtConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=_SIDE, num_blocks=2,
        num_queries=6, mlp_ratio=2, **_named(),
    )  # fmt: skip
    hf.VideomtForUniversalSegmentation(config).save_pretrained(folder)
    size = {"height": _SIDE, "width": _SIDE}
    hf.AutoVideoProcessor.from_pretrained  # noqa: B018 - the class below is no public name of the library
    from transformers.models.videomt.video_processing_videomt import VideomtVideoProcessor

    VideomtVideoProcessor(size=size).save_pretrained(folder)


def mask2former(folder: Path) -> None:
    """Eight queries on a small Swin."""
    backbone = hf.SwinConfig(
        image_size=_SIDE, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=[f"stage{n}" for n in (1, 2, 3, 4)],
    )  # fmt: skip
    config = hf.Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32,
        encoder_feedforward_dim=32, encoder_layers=1, decoder_layers=2, num_attention_heads=2,
        dim_feedforward=32, num_queries=8, **_named(),
    )  # fmt: skip
    hf.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    size = {"shortest_edge": _SIDE, "longest_edge": 2 * _SIDE}
    hf.Mask2FormerImageProcessor(size=size).save_pretrained(folder)


def eomt(folder: Path) -> None:
    """Six queries."""
    config = hf.EomtConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=_SIDE, num_blocks=2,
        num_queries=6, mlp_ratio=2, **_named(),
    )  # fmt: skip
    hf.EomtForUniversalSegmentation(config).save_pretrained(folder)
    size = {"shortest_edge": _SIDE, "longest_edge": _SIDE}
    hf.EomtImageProcessor(size=size, do_split_image=False, do_pad=True).save_pretrained(folder)


def rf_detr(folder: Path) -> None:
    """Ten queries."""
    from transformers.models.rf_detr.configuration_rf_detr import RfDetrDinov2Config

    backbone = RfDetrDinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=_SIDE,
        patch_size=16, num_windows=2, out_features=["stage2", "stage4"],
    )  # fmt: skip
    config = hf.RfDetrConfig(
        backbone_config=backbone, d_model=32, num_queries=10, decoder_layers=2, group_detr=1,
        decoder_self_attention_heads=2, decoder_cross_attention_heads=2, c2f_num_blocks=1, **_named(),
    )  # fmt: skip
    hf.RfDetrForInstanceSegmentation(config).save_pretrained(folder)
    hf.RfDetrImageProcessor(size={"height": _SIDE, "width": _SIDE}).save_pretrained(folder)


def sam2_video(folder: Path) -> None:
    """A Hiera of five blocks; features of a quarter of the side, memory of a sixteenth."""
    hiera = hf.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, blocks_per_stage=[1, 1, 2, 1], image_size=[_SIDE, _SIDE],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[2, 2],
    )  # fmt: skip
    vision = hf.Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=128,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    config = hf.Sam2VideoConfig(
        vision_config=vision, image_size=_SIDE,
        prompt_encoder_config=sam2.Sam2VideoPromptEncoderConfig(
            hidden_size=128, image_size=_SIDE, patch_size=16, mask_input_channels=16
        ),
        mask_decoder_config=sam2.Sam2VideoMaskDecoderConfig(
            hidden_size=128, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2, iou_head_hidden_dim=32
        ),
        memory_attention_hidden_size=128, memory_attention_num_layers=1, memory_encoder_hidden_size=128,
        memory_attention_feed_forward_hidden_size=32, memory_attention_rope_feat_sizes=[4, 4],
        mask_downsampler_embed_dim=128, memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
    )  # fmt: skip
    hf.Sam2VideoModel(config).save_pretrained(folder)
    size = {"height": _SIDE, "width": _SIDE}
    pictures = hf.Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    videos = hf.Sam2VideoVideoProcessor(size=size)
    hf.Sam2VideoProcessor(pictures, videos, target_size=_SIDE).save_pretrained(folder)


def save(make: Callable[[Path], None], folder: Path) -> str:
    """The model in a new folder of its name; the name of the method that it is."""
    place = folder / make.__name__
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make(place)
    return f"hf:{place}"
