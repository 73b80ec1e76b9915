"""Public Mask R-CNNs that MaskTrack R-CNN can start from; the tracking head stays new.

Source: names of the public state dictionaries; the layouts of their class heads (specification 1.1).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.detectron2_names import PIXELS, pyramid_rules, resnet_rules, stem_from_bgr
from methods.masktrack_rcnn.config import MaskTrackConfig
from vis_bench.weights.coco import COCO_GAPS
from vis_bench.weights.source import Source

_CLASSES, _DELTAS, _MASKS = "box_head.classes.", "box_head.deltas.", "mask_head.classes."
_RPN = (
    (r"proposal_generator\.rpn_head\.conv\.(?=weight|bias)", "rpn.head.conv.0.0."),
    (r"proposal_generator\.rpn_head\.objectness_logits\.", "rpn.head.cls_logits."),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.", "rpn.head.bbox_pred."),
)
_HEADS = (
    (r"roi_heads\.box_head\.fc1\.", "box_head.first."),
    (r"roi_heads\.box_head\.fc2\.", "box_head.second."),
    (r"roi_heads\.box_predictor\.cls_score\.", _CLASSES),
    (r"roi_heads\.box_predictor\.bbox_pred\.", _DELTAS),
    *((rf"roi_heads\.mask_head\.mask_fcn{i + 1}\.", f"mask_head.tower.{2 * i}.") for i in range(4)),
    (r"roi_heads\.mask_head\.deconv\.", "mask_head.upsample."),
    (r"roi_heads\.mask_head\.predictor\.", _MASKS),
)
_TORCHVISION = (
    (r"(?=backbone\.body\.)", ""),
    (r"backbone\.fpn\.", "fpn.pyramid."),
    (r"rpn\.head\.conv\.(?=weight|bias)", "rpn.head.conv.0.0."),
    (r"(?=rpn\.head\.)", ""),
    (r"roi_heads\.box_head\.fc6\.", "box_head.first."),
    (r"roi_heads\.box_head\.fc7\.", "box_head.second."),
    (r"roi_heads\.box_predictor\.cls_score\.", _CLASSES),
    (r"roi_heads\.box_predictor\.bbox_pred\.", _DELTAS),
    *((rf"roi_heads\.mask_head\.{i}\.0\.", f"mask_head.tower.{2 * i}.") for i in range(4)),
    *((rf"roi_heads\.mask_head\.mask_fcn{i + 1}\.", f"mask_head.tower.{2 * i}.") for i in range(4)),
    (r"roi_heads\.mask_predictor\.conv5_mask\.", "mask_head.upsample."),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.", _MASKS),
)
_ANCHORS = (r".*anchor_generator\.cell_anchors\.", "anchors follow from the configuration")
_DETECTRON2_NOTES = (
    "anchors: detectron2 centres them at the corner of a cell, half a stride from ours; the deltas adapt",
    "RoIAlign: as many samples as fit in detectron2, `sampling_ratio` here; both aligned to half a pixel",
    "pyramid level of a box: detectron2's canonical size is 224 px, ours `roi.canonical_size_px`",
)
_TORCHVISION_NOTES = (
    "anchors: torchvision centres them at the corner of a cell and rounds them; the deltas adapt",
    "RoIAlign: torchvision's is not aligned (half a cell away from ours)",
    "pyramid level of a box: torchvision's canonical size is 224 px, ours `roi.canonical_size_px`",
    "frozen norms: trained with an epsilon of 0, which is taken off the variances",
)
_NORM_EPS = 1e-5


def _background_first(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """detectron2's class heads in our layout: the background is the first class of each, not the last.

    Deltas and masks have no background there; its rows are zeros here, and no loss reads them.
    """
    changed = dict(state)
    for name, value in state.items():
        if name.startswith(_CLASSES):
            changed[name] = value.roll(1, 0)
        elif name.startswith((_DELTAS, _MASKS)):
            rows = 4 if name.startswith(_DELTAS) else 1
            changed[name] = torch.cat((value.new_zeros((rows, *value.shape[1:])), value))
    return changed


def _from_detectron2(state: dict[str, Tensor], bgr: bool) -> dict[str, Tensor]:
    return _background_first(stem_from_bgr(state) if bgr else state)


def _from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's heads without the rows of COCO ids that no class has; norms with our epsilon."""
    changed = dict(state)
    for name, value in state.items():
        if name.endswith(".running_var"):
            changed[name] = value - _NORM_EPS
        if not name.startswith((_CLASSES, _DELTAS, _MASKS)):
            continue
        width = 4 if name.startswith(_DELTAS) else 1
        if len(value) == 91 * width:
            kept = [row for row in range(91) if row not in COCO_GAPS]
            changed[name] = value.unflatten(0, (91, width))[kept].flatten(0, 1)
    return changed


def sources(config: MaskTrackConfig) -> tuple[Source, ...]:
    """Kinds of files that MaskTrack R-CNN can start from."""
    finest = int(config.roi_levels[0].removeprefix("p"))
    rules = (
        *resnet_rules(r"backbone\.bottom_up\."),
        *pyramid_rules(r"backbone\.", finest),
        *_RPN,
        *_HEADS,
    )
    names = (r"backbone\.bottom_up\.", r"roi_heads\.box_predictor\.", r"roi_heads\.mask_head\.")
    detectron2 = partial(
        Source,
        signature=names,
        renames=rules,
        not_taken=(PIXELS, _ANCHORS),
        notes=_DETECTRON2_NOTES,
    )
    return (
        detectron2(
            kind="detectron2-mask-rcnn",
            title="Mask R-CNN of detectron2's model zoo, MSRA backbone",
            adapt=partial(_from_detectron2, bgr=True),
            stride_in_1x1=True,
            pixels="bgr",
        ),
        detectron2(
            kind="detectron2-mask-rcnn-rgb",
            title="Mask R-CNN of detectron2, torchvision backbone",
            adapt=partial(_from_detectron2, bgr=False),
            stride_in_1x1=False,
            pixels="rgb",
        ),
        Source(
            kind="torchvision-mask-rcnn",
            title="Mask R-CNN of torchvision",
            signature=(r"backbone\.body\.", r"backbone\.fpn\.", r"roi_heads\.mask_predictor\."),
            renames=_TORCHVISION,
            adapt=_from_torchvision,
            notes=_TORCHVISION_NOTES,
            stride_in_1x1=False,
        ),
        *BACKBONE_SOURCES,
    )
