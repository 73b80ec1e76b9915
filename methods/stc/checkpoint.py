"""Public CondInst checkpoints (AdelaiDet) that STC can start from; the tracking head stays new.

Source: names of the public state dictionaries (specification 3.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.detectron2_names import PIXELS, pyramid_rules, resnet_rules, stem_from_bgr
from methods.layers.sparse_rcnn_names import mask_branch_rules
from methods.stc.config import StcConfig
from vis_bench.weights.source import Source

_HEAD = r"proposal_generator\.fcos_head\."
_SCALES = "detection.scales"
_FCOS = (
    (_HEAD + r"cls_tower\.", "detection.class_tower."),
    (_HEAD + r"bbox_tower\.", "detection.box_tower."),
    (_HEAD + r"cls_logits\.", "detection.classes."),
    (_HEAD + r"bbox_pred\.", "detection.boxes."),
    (_HEAD + r"ctrness\.", "detection.centreness."),
    (_HEAD + r"scales\.(\d)\.scale$", _SCALES + r".\1"),
)
_SEMANTIC = (r"mask_branch\.(seg_head|logits)\.", "a training loss of CondInst that STC does not have")
_OWN_TOWER = (r"controller\.", "it reads CondInst's box tower; here the kernels have a tower of their own")


def _adapt(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The stem for RGB, and the scales of the levels as one tensor [levels]."""
    levels = sorted(name for name in state if name.startswith(_SCALES + "."))
    changed = {name: value for name, value in stem_from_bgr(state).items() if name not in levels}
    if levels:
        changed[_SCALES] = torch.cat([state[name].flatten() for name in levels])
    return changed


def sources(config: StcConfig) -> tuple[Source, ...]:
    """Kinds of files that STC can start from."""
    own_tower = config.kernel_source == "own"
    return (
        Source(
            kind="adelaidet-condinst",
            title="CondInst of AdelaiDet, MSRA backbone",
            signature=(_HEAD + "cls_tower", r"mask_branch\.refine\.", r"controller\."),
            renames=(
                *resnet_rules(r"backbone\.bottom_up\."),
                *pyramid_rules(r"backbone\.", 3),
                *_FCOS,
                (r"controller\.", "kernels."),
                *mask_branch_rules("mask_branch.", config.mask_levels, config.mask_convs),
            ),
            not_taken=(*((_OWN_TOWER,) if own_tower else ()), _SEMANTIC, PIXELS),
            adapt=_adapt,
            may_miss=(r"kernel_tower\.", r"kernels\.") if own_tower else (),
            stride_in_1x1=True,
            pixels="bgr",
        ),
        *BACKBONE_SOURCES,
    )
