"""InsPro: instance queries and proposals propagated from frame to frame. Importing this imports no torch."""

from methods.inspro.choices import CHOICES
from methods.inspro.config import CONFIGS, VARIANTS
from methods.inspro.image_stage import IMAGE_STAGE
from methods.inspro.start import START
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="inspro",
        title="InsPro",
        paradigm="query propagation",
        online=True,
        paper="He et al., InsPro: Propagating Instance Query and Proposal for Online Video Instance "
        "Segmentation, NeurIPS 2022",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.inspro.model:InsPro",
    sources="methods.inspro.checkpoint:sources",
    start=START,
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"presence_threshold": 0.0}),
)
