"""Variants of a method's configuration that swap the backbone. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

RESNET101: Mapping[str, Mapping[str, Any]] = MappingProxyType({"r101": {"backbone.name": "resnet101"}})


def swin_variants(*sizes: str, test_short_side: int | None) -> dict[str, dict[str, Any]]:
    """`swin-t` and so on for the given sizes (letters out of t, s, b, l).

    test_short_side: shorter side at inference in pixels, None leaves the configuration's own.
    """
    resolution = {} if test_short_side is None else {"test_short_side": test_short_side}
    return {f"swin-{size}": {"backbone.name": f"swin_{size}", **resolution} for size in sizes}
