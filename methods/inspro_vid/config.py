"""Configurations of InsPro-VID. Imports no torch.

The configuration class is InsPro's. Its values for masks (`mask_hidden`, `mask_levels`, `mask_stages`,
`generator`, `coordinate_scale`, `weights.dice`, `weights.mask_focal`) have no effect here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from methods.inspro import config as inspro
from methods.inspro.config import InsProConfig
from methods.layers.backbone_config import BackboneConfig

# Table 6(c); 0 stands for no deduplication at all
BETAS = (0.0, 0.08, 0.1, 0.15, 0.2, 0.25)

PAPER = replace(
    inspro.PAPER,
    train=replace(inspro.PAPER.train, iterations=90_000, lr_steps=(65_000, 80_000)),
    backbone=BackboneConfig(name="resnet101"),
)
PAPER_R50 = replace(PAPER, backbone=BackboneConfig(name="resnet50"))
TINY = inspro.TINY
QUICK = replace(TINY, train=replace(TINY.train, iterations=280))

CONFIGS: Mapping[str, InsProConfig] = MappingProxyType(
    {"paper": PAPER, "paper-r50": PAPER_R50, "tiny": TINY, "quick": QUICK}
)

_SHARED_ROWS = ("A", "B", "C", "D", "E", "no-dedup", "no-bank", "T1", "T9", "T18", "T27", "T36")
# A to C are the rows of Table 6(b); D and E, which only Table 2(a) has, complete the set for comparison.
# The row beta = 0 of Table 6(c) equals C, so that table has no bank either.
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{name: inspro.VARIANTS[name] for name in _SHARED_ROWS},
        **{f"beta{beta:g}": {"bank": False, "weights.dedup_beta": beta} for beta in BETAS},
    }
)
