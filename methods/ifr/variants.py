"""Ablation rows and backbones of the paper, as variants of a configuration. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from methods.layers.backbone_variants import RESNET101, swin_variants

# Swin is tested at a shorter side of 480 (Section 4, footnote of Table 1)
_SWIN = swin_variants("t", "s", "b", "l", test_short_side=480)
_LAMBDA_E = (0.0, 0.1, 0.3, 0.5, 1.0)

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Table 4
        "clip2": {"inference.clip_frames": 2},
        "clip5": {"inference.clip_frames": 5},
        "tta": {"inference.tta_scales": (1.0, 7 / 6, 4 / 3, 1.5)},
        # Figure 4
        "no-cross-frame": {"loss.cross_frame_weight": 0.0},
        **{f"lambda-e-{weight:g}": {"loss.cross_frame_weight": weight} for weight in _LAMBDA_E},
        # not in the paper: the feed-forward blocks that its equations leave out
        "no-ffn": {"decoder.ifr_ffn": "none"},
        "clip-ffn": {"decoder.ifr_ffn": "clip"},
        "low-memory": {"low_memory": True},
        # Tables 1 and 2
        "queries200": {"decoder.queries": 200},
        **RESNET101,
        **_SWIN,
        "swin-l-200": {**_SWIN["swin-l"], "decoder.queries": 200},
    }
)
