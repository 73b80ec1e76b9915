"""What InsPro's network is made of, as functions of its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.inspro.config import InsProConfig
from methods.layers.proposals import grid_proposals, image_proposals
from methods.layers.query_stage import QueryStage, QueryStageConfig


def query_stages(config: InsProConfig, num_classes: int) -> nn.ModuleList:
    """`config.stages` stages, each with its own weights. Source: InsPro, Sec 3.2; specification 6.1."""
    stage = QueryStageConfig(
        dim=config.dim,
        heads=config.heads,
        feedforward=config.feedforward,
        dynamic_hidden=config.dynamic_hidden,
        resolution=config.roi_resolution,
        canonical_size=config.roi_canonical_size,
        box_output_gain=config.box_output_gain,
    )
    return nn.ModuleList(QueryStage(num_classes, stage) for _ in range(config.stages))


def initial_queries(config: InsProConfig) -> Tensor:
    """q_init [N, dim] from normal draws: one per query, or one for all (`query_init`)."""
    drawn = torch.randn(1 if config.query_init == "shared" else config.queries, config.dim)
    return drawn.expand(config.queries, -1).clone()


def initial_boxes(config: InsProConfig) -> Tensor:
    """p_init, normalised (cx, cy, w, h) [N, 4]: the whole image, or a grid (`proposal_init`)."""
    proposals = grid_proposals if config.proposal_init == "grid" else image_proposals
    return proposals(config.queries)


def frames_of(pyramid: Mapping[str, Tensor], frames: int, chosen: Sequence[int]) -> dict[str, Tensor]:
    """The `chosen` frames of every clip: levels [B * frames, ...], clip after clip -> [B * chosen, ...]."""
    return {
        name: torch.stack([feature[t::frames] for t in chosen], 1).flatten(0, 1)
        for name, feature in pyramid.items()
    }
