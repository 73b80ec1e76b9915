"""Names of public Mask2Former and Mask2Former-VIS checkpoints (detectron2).

Source: specification 5 and 7.3; names of the public state dictionaries.
"""

from __future__ import annotations

import re

from methods.layers import swin
from methods.layers.detectron2_names import PIXELS, resnet_rules
from vis_bench.errors import UsageError
from vis_bench.weights.source import Rules, Source

_PIXEL = r"sem_seg_head\.pixel_decoder\."
_PREDICTOR = r"sem_seg_head\.predictor\."
RENAMES: Rules = (
    *resnet_rules(r"backbone\."),
    (_PIXEL + r"input_proj\.", r"pixel_decoder.input_projections."),
    (_PIXEL + r"transformer\.level_embed$", r"pixel_decoder.level_embedding"),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.sampling_offsets\.",
        r"pixel_decoder.encoder.\1.attention.offsets.",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.attention_weights\.",
        r"pixel_decoder.encoder.\1.attention.weights.",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.(value|output)_proj\.",
        r"pixel_decoder.encoder.\1.attention.\2.",
    ),
    (_PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm1\.", r"pixel_decoder.encoder.\1.norm."),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm2\.",
        r"pixel_decoder.encoder.\1.feed_forward.norm.",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.(linear[12])\.",
        r"pixel_decoder.encoder.\1.feed_forward.\2.",
    ),
    (_PIXEL + r"adapter_1\.norm\.", r"pixel_decoder.laterals.res2.1."),
    (_PIXEL + r"adapter_1\.", r"pixel_decoder.laterals.res2.0."),
    (_PIXEL + r"layer_1\.norm\.", r"pixel_decoder.outputs.res2.1."),
    (_PIXEL + r"layer_1\.", r"pixel_decoder.outputs.res2.0."),
    (_PIXEL + r"mask_features\.", r"pixel_decoder.mask_features."),
    (
        _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.multihead_attn\.",
        r"decoder.layers.\1.cross_attention.attention.",
    ),
    (
        _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.norm\.",
        r"decoder.layers.\1.cross_attention.norm.",
    ),
    (
        _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.self_attn\.",
        r"decoder.layers.\1.self_attention.attention.",
    ),
    (
        _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.norm\.",
        r"decoder.layers.\1.self_attention.norm.",
    ),
    (_PREDICTOR + r"transformer_ffn_layers\.(\d+)\.", r"decoder.layers.\1.feed_forward."),
    (_PREDICTOR + r"decoder_norm\.", r"decoder.norm."),
    (_PREDICTOR + r"query_feat\.", r"decoder.query_features."),
    (_PREDICTOR + r"static_query\.", r"decoder.query_features."),
    (_PREDICTOR + r"query_embed\.", r"decoder.query_positions."),
    (_PREDICTOR + r"level_embed\.", r"decoder.level_embedding."),
    (_PREDICTOR + r"class_embed\.", r"decoder.class_head."),
    # the heads are Sequential with a ReLU between, so their linear layers have even numbers
    (_PREDICTOR + r"mask_embed\.layers\.0\.", r"decoder.mask_head.0."),
    (_PREDICTOR + r"mask_embed\.layers\.1\.", r"decoder.mask_head.2."),
    (_PREDICTOR + r"mask_embed\.layers\.2\.", r"decoder.mask_head.4."),
)
NOT_TAKEN: Rules = (
    (r"criterion\.", "weights of losses"),
    (r".*\.(relative_position_index|attn_mask)$", "follows from the window's size"),
    PIXELS,
)
_SWIN = re.compile(r"backbone\.(?=(patch_embed|layers|norm\d)\.)")


def swin_name(name: str) -> str | None:
    """The own name of a tensor of detectron2's Swin Transformer below `backbone.`; None for any other."""
    found = _SWIN.match(name)
    if found is None:
        return None
    try:
        inner = swin.own_name(name[found.end() :])
    except UsageError:
        return None
    return None if inner is None else f"backbone.{inner}"


def mask2former(renames: Rules, not_taken: Rules, may_miss: tuple[str, ...]) -> tuple[Source, ...]:
    """Mask2Former for images and for videos, whose tensors have the same names."""
    return tuple(
        Source(
            kind=f"mask2former{word}",
            title=f"Mask2Former, {backbone}",
            signature=(signature, _PREDICTOR + r"mask_embed\.", _PIXEL + r"input_proj\."),
            renames=renames,
            own_name=swin_name,
            not_taken=not_taken,
            may_miss=may_miss,
            stride_in_1x1=stride,
            pixels="rgb",
        )
        for word, backbone, signature, stride in (
            ("", "ResNet", r"backbone\.res2\.", False),
            ("-swin", "Swin Transformer", r"backbone\.patch_embed\.", None),
        )
    )
