"""Names and shapes of public query models: Mask2Former (detectron2) and QueryInst (mmdet), as `public_names`.

Source: the public code of Mask2Former and QueryInst; Liu et al., Swin Transformer, for the sizes.
"""

from __future__ import annotations

from public_names import (
    NORM,
    Shapes,
    conv,
    detectron2_resnet,
    layer_norm,
    linear,
    norm,
)
from torchvision.models import resnet50

# embedding, depths, heads, window
SWIN = {
    "swin-t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
    "swin-l": (192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
}


def swin_backbone(prefix: str, size: str) -> Shapes:
    """detectron2's Swin Transformer with a norm at every output."""
    embed, depths, heads, window = SWIN[size]
    shapes = conv(f"{prefix}patch_embed.proj", embed, 3, 4)
    shapes |= layer_norm(f"{prefix}patch_embed.norm", embed)
    for stage, depth in enumerate(depths):
        dim, at = embed * 2**stage, f"{prefix}layers.{stage}."
        for block in range(depth):
            inner = f"{at}blocks.{block}."
            shapes |= layer_norm(f"{inner}norm1", dim) | layer_norm(f"{inner}norm2", dim)
            shapes |= linear(f"{inner}attn.qkv", 3 * dim, dim) | linear(f"{inner}attn.proj", dim, dim)
            shapes |= {
                f"{inner}attn.relative_position_bias_table": ((2 * window - 1) ** 2, heads[stage]),
                f"{inner}attn.relative_position_index": (window**2, window**2),
            }
            shapes |= linear(f"{inner}mlp.fc1", 4 * dim, dim) | linear(f"{inner}mlp.fc2", dim, 4 * dim)
        shapes |= layer_norm(f"{prefix}norm{stage}", dim)
        if stage < 3:
            shapes |= linear(f"{at}downsample.reduction", 2 * dim, 4 * dim, bias=False)
            shapes |= layer_norm(f"{at}downsample.norm", 4 * dim)
    return shapes


def _attention(name: str, dim: int) -> Shapes:
    return {f"{name}.in_proj_weight": (3 * dim, dim), f"{name}.in_proj_bias": (3 * dim,)} | linear(
        f"{name}.out_proj", dim, dim
    )


def mask2former(classes: int, size: str = "r50", queries: int = 100, layers: int = 9) -> Shapes:
    """Mask2Former for images, and with the same names for videos."""
    if size == "r50":
        shapes, widths = detectron2_resnet("backbone."), (256, 512, 1024, 2048)
    else:
        shapes = swin_backbone("backbone.", size)
        widths = tuple(SWIN[size][0] * 2**i for i in range(4))
    pixel, predictor, dim = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor.", 256
    for i, width in enumerate(widths[:0:-1]):
        shapes |= conv(f"{pixel}input_proj.{i}.0", dim, width, 1)
        shapes |= layer_norm(f"{pixel}input_proj.{i}.1", dim)
    shapes |= {f"{pixel}transformer.level_embed": (3, dim)}
    for i in range(6):
        at = f"{pixel}transformer.encoder.layers.{i}."
        sizes = {"sampling_offsets": 192, "attention_weights": 96, "value_proj": dim, "output_proj": dim}
        for name, width in sizes.items():
            shapes |= linear(f"{at}self_attn.{name}", width, dim)
        shapes |= layer_norm(f"{at}norm1", dim) | layer_norm(f"{at}norm2", dim)
        shapes |= linear(f"{at}linear1", 1024, dim) | linear(f"{at}linear2", dim, 1024)
    shapes |= conv(f"{pixel}mask_features", dim, dim, 1)
    shapes |= conv(f"{pixel}adapter_1", dim, widths[0], 1, bias=False)
    shapes |= conv(f"{pixel}layer_1", dim, dim, 3, bias=False)
    shapes |= layer_norm(f"{pixel}adapter_1.norm", dim) | layer_norm(f"{pixel}layer_1.norm", dim)
    for i in range(layers):
        cross = f"{predictor}transformer_cross_attention_layers.{i}."
        own = f"{predictor}transformer_self_attention_layers.{i}."
        forward = f"{predictor}transformer_ffn_layers.{i}."
        shapes |= _attention(f"{cross}multihead_attn", dim) | layer_norm(f"{cross}norm", dim)
        shapes |= _attention(f"{own}self_attn", dim) | layer_norm(f"{own}norm", dim)
        shapes |= linear(f"{forward}linear1", 2048, dim) | linear(f"{forward}linear2", dim, 2048)
        shapes |= layer_norm(f"{forward}norm", dim)
    shapes |= layer_norm(f"{predictor}decoder_norm", dim) | {f"{predictor}level_embed.weight": (3, dim)}
    for name in ("query_feat", "query_embed"):
        shapes |= {f"{predictor}{name}.weight": (queries, dim)}
    shapes |= linear(f"{predictor}class_embed", classes + 1, dim)
    for i in range(3):
        shapes |= linear(f"{predictor}mask_embed.layers.{i}", dim, dim)
    return shapes | {"criterion.empty_weight": (classes + 1,)}


def queryinst(classes: int = 80, queries: int = 100) -> Shapes:
    """QueryInst R-50 of mmdet, six stages."""
    body = resnet50().state_dict()
    shapes: Shapes = {f"backbone.{name}": x.shape for name, x in body.items() if not name.startswith("fc.")}
    for i in range(4):
        shapes |= conv(f"neck.lateral_convs.{i}.conv", 256, 256 * 2**i, 1)
        shapes |= conv(f"neck.fpn_convs.{i}.conv", 256, 256, 3)
    shapes |= {"rpn_head.init_proposal_bboxes.weight": (queries, 4)}
    shapes |= {"rpn_head.init_proposal_features.weight": (queries, 256)}
    for stage in range(6):
        box, mask = f"roi_head.bbox_head.{stage}.", f"roi_head.mask_head.{stage}."
        shapes |= linear(f"{box}fc_cls", classes, 256) | linear(f"{box}fc_reg", 4, 256)
        shapes |= _attention(f"{box}attention.attn", 256) | layer_norm(f"{box}attention_norm", 256)
        for head in (box, mask):
            dynamic = f"{head}instance_interactive_conv."
            shapes |= linear(f"{dynamic}dynamic_layer", 32768, 256)
            shapes |= layer_norm(f"{dynamic}norm_in", 64) | layer_norm(f"{dynamic}norm_out", 256)
        dynamic = f"{box}instance_interactive_conv"
        shapes |= linear(f"{dynamic}.fc_layer", 256, 12544) | layer_norm(f"{dynamic}.fc_norm", 256)
        shapes |= layer_norm(f"{dynamic}_norm", 256) | layer_norm(f"{box}ffn_norm", 256)
        shapes |= linear(f"{box}ffn.layers.0.0", 2048, 256) | linear(f"{box}ffn.layers.1", 256, 2048)
        for branch, layers in (("cls_fcs", 1), ("reg_fcs", 3)):
            for i in range(layers):
                shapes |= linear(f"{box}{branch}.{3 * i}", 256, 256, bias=False)
                shapes |= layer_norm(f"{box}{branch}.{3 * i + 1}", 256)
        for i in range(4):
            shapes |= conv(f"{mask}convs.{i}.conv", 256, 256, 3)
            shapes |= norm(f"{mask}convs.{i}.bn", 256, NORM) | {f"{mask}convs.{i}.bn.num_batches_tracked": ()}
        shapes |= conv(f"{mask}upsample", 256, 256, 2)
        shapes |= conv(f"{mask}conv_logits", classes, 256, 1)
    return shapes
