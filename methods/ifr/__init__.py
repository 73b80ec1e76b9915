"""IFR: queries passed from frame to frame inside each decoder layer. Importing this imports no torch."""

from __future__ import annotations

from methods.ifr.choices import CHOICES
from methods.ifr.config import CONFIGS, SCHEDULES
from methods.ifr.image_stage import IMAGE_STAGE
from methods.ifr.variants import VARIANTS
from vis_bench.method import ClassHead, MethodInfo, MethodSpec, StartRules

SPEC = MethodSpec(
    info=MethodInfo(
        name="ifr",
        title="IFR",
        paradigm="clip-level",
        online=False,
        paper="You et al., Consistent Video Instance Segmentation with Inter-Frame Recurrent Attention, "
        "arXiv:2206.07011",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.ifr.model:Ifr",
    sources="methods.ifr.checkpoint:sources",
    start=StartRules(
        # what goes from frame to frame and from frames to the clip
        may_miss=(r"decoder\.layers\.\d+\.(temporal_attention|clip_attention|clip_feed_forward)\.",),
        class_heads=(ClassHead(r"decoder\.class_head\."),),
    ),
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    gpu_precision="fp16",
    schedules=SCHEDULES,
)
