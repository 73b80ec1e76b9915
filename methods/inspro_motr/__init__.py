"""InsPro's network with separate track and detect queries. Importing this imports no torch."""

from methods.inspro_motr.choices import CHOICES
from methods.inspro_motr.config import CONFIGS, VARIANTS
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
    track_cap=("tracks_per_video", "video"),
    build="methods.inspro_motr.model:InsProMotr",
    variants=VARIANTS,
    mac_count=MacCount(overrides={"presence_threshold": 0.0}),
)
