"""The backbones and query counts that the papers report, and the low-memory mode, as variants.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from methods.layers.backbone_variants import RESNET101, swin_variants

# Swin is tested at a shorter side of 480; the published Swin-L has 200 queries
_SWIN = swin_variants("t", "s", "b", "l", test_short_side=480)
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **RESNET101,
        **_SWIN,
        "swin-l-200": {**_SWIN["swin-l"], "decoder.queries": 200},
        "queries200": {"decoder.queries": 200},
        "low-memory": {"low_memory": True},
    }
)
