"""The versions of what the generator makes: part of the names of cache folders and of annotation files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Renewed by hand whenever a video comes to look otherwise: records name the annotation file by its hash, so a
# new version is a new data set. tests/data/test_shapes_cache.py notices sources that changed without it.
# Of `shapes` (version 2) and `shapes-entering`.
GENERATOR_VERSION = "53d3b406bdf0"
# Of `shapes-v1`, the other difficulty sets and `static_images`: their content has never changed.
FIRST_VERSION = "a92912e40e90"
# SHA-256 of the annotation files of `shapes-v1` by split: what old records call `shapes`.
FIRST_ANNOTATIONS: Mapping[str, str] = MappingProxyType(
    {
        "train": "997884762c6d3cce6ede0692daec35e86dfcdf517a2c626e31ecb13392d8dd60",
        "val": "8b33f7df29120e058a5868cab1e3d483e852f3ea92d22a1d97e88a4643316bd0",
        "test": "6c8386a32983163003dca4df8c5565a6dcb2590f2ab70863aff6d4061a26552c",
    }
)
# Of the still images that the image stage trains on.
STILLS_VERSION = "199859790c4c"
