"""IFR: queries passed from frame to frame inside each decoder layer. Importing this imports no torch."""

from __future__ import annotations

from methods.ifr.choices import CHOICES
from methods.ifr.config import CONFIGS, SCHEDULES
from methods.ifr.variants import VARIANTS
from vis_bench.method import MethodInfo, MethodSpec

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
    track_cap=("top_k", "video"),
    build="methods.ifr.model:Ifr",
    variants=VARIANTS,
    gpu_precision="fp16",
    schedules=SCHEDULES,
)
