"""Public QueryInst checkpoints (mmdet names) that QueryTrack can start from; the tracking heads stay new.

Source: names of the public state dictionaries (specification 2.1).
"""

from __future__ import annotations

import re

import torch

from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.dynamic_mask_head import mask_head_from_queryinst
from methods.layers.query_stage import stage_from_queryinst
from methods.querytrack.config import QueryTrackConfig
from vis_bench.weights.source import Source

_RENAMES = (
    (r"backbone\.(?=(conv1|bn1|layer[1-4])\.)", "backbone.body."),
    (r"neck\.lateral_convs\.(\d+)\.conv\.", r"fpn.pyramid.inner_blocks.\1.0."),
    (r"neck\.fpn_convs\.(\d+)\.conv\.", r"fpn.pyramid.layer_blocks.\1.0."),
    (r"rpn_head\.init_proposal_bboxes\.weight$", "initial_boxes"),
    (r"rpn_head\.init_proposal_features\.weight$", "initial_queries"),
)
_HEADS = (
    (re.compile(r"roi_head\.bbox_head\.(\d+)\."), "stages", stage_from_queryinst),
    (re.compile(r"roi_head\.mask_head\.(\d+)\."), "mask_heads", mask_head_from_queryinst),
)


def head_name(name: str) -> str | None:
    """The own name of a tensor of QueryInst's box and mask heads; None for any other."""
    for pattern, module, convert in _HEADS:
        if found := pattern.match(name):
            try:
                (inner,) = convert({name: torch.empty(0)}, found.group())
            except KeyError:
                return None
            return f"{module}.{found.group(1)}.{inner}"
    return None


def sources(config: QueryTrackConfig) -> tuple[Source, ...]:
    """Kinds of files that QueryTrack can start from."""
    return (
        Source(
            kind="mmdet-queryinst",
            title="QueryInst of mmdet",
            signature=(r"roi_head\.bbox_head\.0\.", r"roi_head\.mask_head\.0\.", r"rpn_head\.init_proposal"),
            renames=_RENAMES,
            own_name=head_name,
            stride_in_1x1=False,
        ),
        *BACKBONE_SOURCES,
    )
