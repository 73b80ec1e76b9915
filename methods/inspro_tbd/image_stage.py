"""The track-by-detection row starts from InsPro's image stage; the tracking head is new. Imports no torch."""

from __future__ import annotations

from methods.inspro.config import InsProConfig
from methods.inspro_tbd.config import InsProTbdConfig
from vis_bench.method import ImageStage


def as_inspro(config: InsProTbdConfig) -> InsProConfig:
    """The network that finds objects."""
    return config.detector


IMAGE_STAGE = ImageStage(same_as="inspro", as_that=as_inspro, new=(r"embed_head\.",))
