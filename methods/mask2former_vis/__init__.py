"""Mask2Former-VIS: the whole video is one clip and one query is one object in all its frames."""

from __future__ import annotations

from methods.mask2former_vis.config import CHOICES, CONFIGS, SCHEDULES
from methods.mask2former_vis.image_stage import IMAGE_STAGE
from methods.mask2former_vis.variants import VARIANTS
from vis_bench.method import ClassHead, MethodInfo, MethodSpec, StartRules

SPEC = MethodSpec(
    info=MethodInfo(
        name="mask2former_vis",
        title="Mask2Former-VIS",
        paradigm="clip-level",
        online=False,
        paper="Cheng et al., Mask2Former for Video Instance Segmentation, arXiv:2112.10764",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.mask2former_vis.model:Mask2FormerVis",
    sources="methods.mask2former_vis.checkpoint:sources",
    start=StartRules(class_heads=(ClassHead(r"decoder\.class_head\.", background="last"),)),
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    gpu_precision="fp16",
    schedules=SCHEDULES,
)
