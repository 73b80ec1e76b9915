"""InsPro's network with separate track and detect queries. Importing this imports no torch."""

from methods.inspro.start import START
from methods.inspro_motr.choices import CHOICES
from methods.inspro_motr.config import CONFIGS, VARIANTS
from methods.inspro_motr.image_stage import IMAGE_STAGE
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="inspro_motr",
        title="InsPro, track-and-detect queries",
        paradigm="query propagation",
        online=True,
        paper="He et al., InsPro: Propagating Instance Query and Proposal for Online Video Instance "
        "Segmentation, NeurIPS 2022, Table 2(e), after Zeng et al., MOTR, ECCV 2022",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.inspro_motr.model:InsProMotr",
    sources="methods.inspro.checkpoint:sources",
    start=START,
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"presence_threshold": 0.0}),
)
