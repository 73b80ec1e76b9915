"""Configurations of InsPro-VID and the decisions that the paper leaves open. Imports no torch.

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
from vis_bench.method import Choice

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

_MASK_KEYS = ("coordinate_scale", "mask_stages", "generator")
_OWN = (
    Choice(
        "-",
        "weights.dedup_beta",
        "paper",
        "Eq 4 has 0.1. Table 6(c) on ImageNet VID is best in AP at 0.15 (39.5 against 38.9) and in AP50 at "
        "0.1 (57.8 against 57.2); which of them the 64.1 AP50 of Table 6(a) used is not said.",
    ),
    Choice(
        "-",
        "backbone",
        "paper",
        "ResNet-101 in Table 6(a), ResNet-50 in the ablations: configuration `paper-r50`.",
    ),
    Choice(
        "-",
        "train.batch_size",
        "ours",
        "A.5.1 has three frames per batch, as Sec 4.2, which trains on 8 GPUs: 8 clips of three frames.",
    ),
    Choice(
        "-",
        "test_short_side",
        "ours",
        "The paper names no resolution for ImageNet VID: 360 at test and 288 to 512 in training, as for VIS.",
    ),
)

CHOICES = (
    *_OWN,
    *(
        replace(choice, note=choice.note.replace("A slot's mask", "A slot's box"))
        for choice in inspro.CHOICES
        if choice.key not in _MASK_KEYS
    ),
)
