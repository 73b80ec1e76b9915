"""InsPro-lite starts from InsPro's image stage; the head of the frames between is new. Imports no torch."""

from __future__ import annotations

from methods.inspro.config import InsProConfig, alike
from methods.inspro_lite.config import InsProLiteConfig
from vis_bench.method import ImageStage


def as_inspro(config: InsProLiteConfig) -> InsProConfig:
    """The same network without its second head."""
    return alike(config, InsProConfig)


IMAGE_STAGE = ImageStage(
    same_as="inspro",
    as_that=as_inspro,
    new=(r"attention\.", r"non_key_stage\."),
    # one generator of masks for each stage, the last of them for the frames between
    absent=(r"mask_head\.generators\.",),
)
