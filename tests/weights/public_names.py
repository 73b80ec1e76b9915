"""State dicts with the names and shapes of public checkpoints, made from their architectures.

A tensor is one number seen as many (`expand`), so that files of whole models are small and made at once.
Source: the public code of detectron2, AdelaiDet, Sparse R-CNN, QueryInst (mmdet) and Mask2Former.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Shapes = dict[str, Sequence[int]]
State = dict[str, Tensor]
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
NORM = ("weight", "bias", "running_mean", "running_var")


def filled(shapes: Mapping[str, Sequence[int]], value: float = 0.01) -> State:
    """A tensor of each shape, all of one value."""
    counters = {name for name in shapes if name.endswith("num_batches_tracked")}
    kinds = {name: torch.tensor(1 if name in counters else value) for name in shapes}
    return {name: kinds[name].expand(tuple(shape)) for name, shape in shapes.items()}


def conv(name: str, outputs: int, inputs: int, size: int, bias: bool = True) -> Shapes:
    """Weight (and bias) of a convolution."""
    weight = {f"{name}.weight": (outputs, inputs, size, size)}
    return weight | ({f"{name}.bias": (outputs,)} if bias else {})


def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> Shapes:
    """Weight (and bias) of a fully connected layer."""
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def norm(name: str, width: int, parts: Sequence[str] = NORM) -> Shapes:
    """Tensors of a norm."""
    return {f"{name}.{part}": (width,) for part in parts}


def layer_norm(name: str, width: int) -> Shapes:
    """Scale and shift."""
    return norm(name, width, ("weight", "bias"))


def detectron2_resnet(prefix: str, depth: int = 50) -> Shapes:
    """detectron2's ResNet without a classifier."""
    shapes = conv(f"{prefix}stem.conv1", 64, 3, 7, bias=False) | norm(f"{prefix}stem.conv1.norm", 64)
    inputs = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        inner, outputs = 64 * 2**stage, 256 * 2**stage
        for block in range(blocks):
            at = f"{prefix}res{stage + 2}.{block}"
            convs = {"conv1": (inner, inputs, 1), "conv2": (inner, inner, 3), "conv3": (outputs, inner, 1)}
            if block == 0:
                convs["shortcut"] = (outputs, inputs, 1)
            for name, (out, into, size) in convs.items():
                shapes |= conv(f"{at}.{name}", out, into, size, bias=False) | norm(f"{at}.{name}.norm", out)
            inputs = outputs
    return shapes


def caffe2_resnet(depth: int = 50) -> Shapes:
    """The ResNet of MSRA as Detectron stored it: norms as scale and shift."""
    shapes: Shapes = {}
    parts = {"conv1": "a", "conv2": "b", "conv3": "c"}
    for name, shape in detectron2_resnet("", depth).items():
        if name.endswith(("running_mean", "running_var")):
            continue
        words = name.split(".")
        if words[0] == "stem":
            own = {"weight": "conv1_w"}.get(
                words[2]
            ) or f"res_conv1_bn_{'s' if words[3] == 'weight' else 'b'}"
        else:
            branch = "1" if words[2] == "shortcut" else f"2{parts[words[2]]}"
            end = "w" if len(words) == 4 else f"bn_{'s' if words[4] == 'weight' else 'b'}"
            own = f"{words[0]}_{words[1]}_branch{branch}_{end}"
        shapes[own] = shape
    return shapes | {"conv1_b": (64,), "fc1000_w": (1000, 2048), "fc1000_b": (1000,)}


def detectron2_pyramid(prefix: str, levels: Sequence[int]) -> Shapes:
    shapes: Shapes = {}
    for level in levels:
        shapes |= conv(f"{prefix}fpn_lateral{level}", 256, 64 * 2**level, 1)
        shapes |= conv(f"{prefix}fpn_output{level}", 256, 256, 3)
    return shapes


def detectron2_mask_rcnn(depth: int = 50, classes: int = 80) -> Shapes:
    """Mask R-CNN R-FPN of detectron2's model zoo."""
    shapes = detectron2_resnet("backbone.bottom_up.", depth) | detectron2_pyramid("backbone.", (2, 3, 4, 5))
    rpn, heads = "proposal_generator.rpn_head.", "roi_heads."
    shapes |= conv(f"{rpn}conv", 256, 256, 3) | conv(f"{rpn}objectness_logits", 3, 256, 1)
    shapes |= conv(f"{rpn}anchor_deltas", 12, 256, 1)
    shapes |= {f"proposal_generator.anchor_generator.cell_anchors.{i}": (3, 4) for i in range(5)}
    shapes |= linear(f"{heads}box_head.fc1", 1024, 12544) | linear(f"{heads}box_head.fc2", 1024, 1024)
    shapes |= linear(f"{heads}box_predictor.cls_score", classes + 1, 1024)
    shapes |= linear(f"{heads}box_predictor.bbox_pred", 4 * classes, 1024)
    for i in range(4):
        shapes |= conv(f"{heads}mask_head.mask_fcn{i + 1}", 256, 256, 3)
    return shapes | (
        conv(f"{heads}mask_head.deconv", 256, 256, 2) | conv(f"{heads}mask_head.predictor", classes, 256, 1)
    )


def pixel_statistics(rgb: bool) -> State:
    """The buffers that older detectron2 files hold."""
    mean, std = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    if not rgb:
        mean, std = mean[::-1], [1.0, 1.0, 1.0]
    return {"pixel_mean": torch.tensor(mean).view(3, 1, 1), "pixel_std": torch.tensor(std).view(3, 1, 1)}


def condinst(classes: int = 80) -> Shapes:
    """CondInst R-50 of AdelaiDet."""
    shapes = detectron2_resnet("backbone.bottom_up.") | detectron2_pyramid("backbone.", (3, 4, 5))
    shapes |= conv("backbone.top_block.p6", 256, 256, 3) | conv("backbone.top_block.p7", 256, 256, 3)
    head = "proposal_generator.fcos_head."
    for tower in ("cls_tower", "bbox_tower"):
        for i in range(4):
            shapes |= conv(f"{head}{tower}.{3 * i}", 256, 256, 3)
            shapes |= layer_norm(f"{head}{tower}.{3 * i + 1}", 256)
    outputs = {"cls_logits": classes, "bbox_pred": 4, "ctrness": 1}
    for name, width in outputs.items():
        shapes |= conv(f"{head}{name}", width, 256, 3)
    shapes |= {f"{head}scales.{i}.scale": (1,) for i in range(5)}
    for i in range(3):
        shapes |= conv(f"mask_branch.refine.{i}.0", 128, 256, 3, bias=False)
        shapes |= norm(f"mask_branch.refine.{i}.1", 128)
    for i in range(4):
        shapes |= conv(f"mask_branch.tower.{i}.0", 128, 128, 3, bias=False)
        shapes |= norm(f"mask_branch.tower.{i}.1", 128)
    return shapes | conv("mask_branch.tower.4", 8, 128, 1) | conv("controller", 169, 256, 3)


def sparse_rcnn(classes: int = 80, queries: int = 100, depth: int = 50) -> Shapes:
    """Sparse R-CNN."""
    shapes = detectron2_resnet("backbone.bottom_up.", depth) | detectron2_pyramid("backbone.", (2, 3, 4, 5))
    shapes |= {"init_proposal_features.weight": (queries, 256), "init_proposal_boxes.weight": (queries, 4)}
    for stage in range(6):
        at = f"head.head_series.{stage}."
        shapes |= {f"{at}self_attn.in_proj_weight": (768, 256), f"{at}self_attn.in_proj_bias": (768,)}
        shapes |= linear(f"{at}self_attn.out_proj", 256, 256)
        shapes |= linear(f"{at}inst_interact.dynamic_layer", 32768, 256)
        shapes |= layer_norm(f"{at}inst_interact.norm1", 64) | layer_norm(f"{at}inst_interact.norm2", 256)
        shapes |= linear(f"{at}inst_interact.out_layer", 256, 12544)
        shapes |= layer_norm(f"{at}inst_interact.norm3", 256)
        shapes |= linear(f"{at}linear1", 2048, 256) | linear(f"{at}linear2", 256, 2048)
        for i in (1, 2, 3):
            shapes |= layer_norm(f"{at}norm{i}", 256)
        for branch, layers in (("cls_module", 1), ("reg_module", 3)):
            for i in range(layers):
                shapes |= linear(f"{at}{branch}.{3 * i}", 256, 256, bias=False)
                shapes |= layer_norm(f"{at}{branch}.{3 * i + 1}", 256)
        shapes |= linear(f"{at}class_logits", classes, 256) | linear(f"{at}bboxes_delta", 4, 256)
    return shapes
