"""Public checkpoints that InsPro and its relatives can start from: Sparse R-CNN, and CondInst's mask branch.

Source: names of the public state dictionaries (specification 6.1).
"""

from __future__ import annotations

from typing import Protocol

from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.detectron2_names import PIXELS, pyramid_rules, resnet_rules
from methods.layers.sparse_rcnn_names import mask_branch_rules, stage_rules
from vis_bench.weights.source import Source

_MASKS = r"mask_head\."
_BRANCH = r"mask_head\.branch\."


def detector_sources(mask_levels: tuple[str, ...], mask_convs: int = 4) -> tuple[Source, ...]:
    """Kinds of files that InsPro's detector can start from; mask_levels: empty for boxes alone."""
    sparse = Source(
        kind="sparse-rcnn",
        title="Sparse R-CNN",
        signature=(r"init_proposal_features\.weight$", r"head\.head_series\.0\.", r"backbone\.bottom_up\."),
        renames=(
            *resnet_rules(r"backbone\.bottom_up\."),
            *pyramid_rules(r"backbone\.", 2),
            (r"init_proposal_features\.weight$", "initial_queries"),
            (r"init_proposal_boxes\.weight$", "initial_boxes"),
            *stage_rules(r"head\.head_series\.", "stages."),
        ),
        not_taken=((r"criterion\.", "weights of losses"), PIXELS),
        may_miss=(_MASKS,) if mask_levels else (),
        stride_in_1x1=False,
        pixels="rgb",
    )
    branch = Source(
        kind="adelaidet-condinst",
        title="the mask branch of CondInst (AdelaiDet)",
        signature=(r"proposal_generator\.fcos_head\.", r"mask_branch\.refine\.", r"controller\."),
        renames=mask_branch_rules("mask_head.branch.", mask_levels, mask_convs),
        not_taken=(
            (r"mask_branch\.(seg_head|logits)\.", "a training loss of CondInst"),
            (r"(?!mask_branch\.)", "another detector; only the mask branch is InsPro's"),
        ),
        may_miss=(rf"(?!{_BRANCH})",),
    )
    return (sparse, *((branch,) if mask_levels else ()), *BACKBONE_SOURCES)


class HasMaskBranch(Protocol):
    """A configuration with InsPro's detector."""

    @property
    def mask_levels(self) -> tuple[str, ...]: ...


def sources(config: HasMaskBranch) -> tuple[Source, ...]:
    """Kinds of files that InsPro and its relatives with masks can start from."""
    return detector_sources(config.mask_levels)


def box_sources(config: object) -> tuple[Source, ...]:
    """Kinds of files that InsPro without masks can start from."""
    return detector_sources(())
