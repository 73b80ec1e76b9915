"""The row after MOTR starts from InsPro's image stage; its query interaction is new. Imports no torch."""

from __future__ import annotations

from methods.inspro.config import InsProConfig
from methods.inspro_motr.config import InsProMotrConfig
from vis_bench.method import ImageStage


def as_inspro(config: InsProMotrConfig) -> InsProConfig:
    """The network that finds objects."""
    return config.detector


IMAGE_STAGE = ImageStage(same_as="inspro", as_that=as_inspro, new=(r"interaction\.",))
