"""The versions of what the generator makes: part of the names of cache folders and of annotation files."""

from __future__ import annotations

# Renewed by hand whenever a video comes to look otherwise: records name the annotation file by its hash, so a
# new version is a new data set. tests/data/test_shapes_cache.py notices sources that changed without it.
GENERATOR_VERSION = "a92912e40e90"
# Of the still images that the image stage trains on.
STILLS_VERSION = "199859790c4c"
