"""Public ResNets and Swin Transformers, from which the backbone alone of any method can start."""

from __future__ import annotations

from torch import Tensor

from methods.layers import swin
from methods.layers.detectron2_names import (
    PIXELS,
    caffe2_own_name,
    resnet_rules,
    stem_from_bgr,
    with_fused_norms,
)
from vis_bench.errors import UsageError
from vis_bench.weights.source import Source

_CLASSIFIER = "the classifier of ImageNet"
_ALL_BUT_THE_BACKBONE = r"(?!backbone\.)"


def _from_msra(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return with_fused_norms(stem_from_bgr(state))


def _swin_name(name: str) -> str | None:
    try:
        inner = swin.own_name(name)
    except UsageError:
        return None
    return None if inner is None else f"backbone.{inner}"


BACKBONE_SOURCES = (
    Source(
        kind="torchvision-resnet",
        title="a torchvision ResNet",
        signature=(r"conv1\.weight$", r"layer1\.0\.conv1\.weight$"),
        renames=((r"(?=(conv1|bn1|layer[1-4])\.)", "backbone.body."),),
        not_taken=((r"fc\.", _CLASSIFIER),),
        may_miss=(_ALL_BUT_THE_BACKBONE,),
        stride_in_1x1=False,
    ),
    Source(
        kind="detectron2-resnet",
        title="a ResNet of torchvision in detectron2's names",
        signature=(r"stem\.conv1\.weight$", r"res2\.0\.conv1\.weight$"),
        renames=resnet_rules(""),
        not_taken=((r"stem\.fc\.|linear\.|fc\.", _CLASSIFIER), PIXELS),
        may_miss=(_ALL_BUT_THE_BACKBONE,),
        stride_in_1x1=False,
    ),
    Source(
        kind="msra-resnet",
        title="a ResNet of MSRA (Caffe2 names, BGR, strides in the 1x1 convolutions)",
        signature=(r"conv1_w$", r"res2_0_branch2a_w$"),
        own_name=caffe2_own_name,
        not_taken=((r"fc1000_|pred_", _CLASSIFIER), (r"conv1_b$", "the norm that follows has the shift")),
        adapt=_from_msra,
        may_miss=(_ALL_BUT_THE_BACKBONE,),
        stride_in_1x1=True,
    ),
    Source(
        kind="swin",
        title="a Swin Transformer of its authors or of torchvision",
        signature=(r"patch_embed\.proj\.weight$|features\.0\.0\.weight$", r"(layers|features)\.\d"),
        own_name=_swin_name,
        not_taken=(
            (r"(norm|head)\.", _CLASSIFIER),
            (r".*\.(relative_position_index|attn_mask)$", "follows from the window's size"),
        ),
        may_miss=(_ALL_BUT_THE_BACKBONE, r"backbone\.norms\."),
    ),
)
"""Kinds of files that hold a backbone and nothing else."""
