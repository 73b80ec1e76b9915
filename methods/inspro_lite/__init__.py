"""InsPro-lite: InsPro's full head on key frames, one stage between them. Importing this imports no torch."""

from methods.inspro_lite.choices import CHOICES
from methods.inspro_lite.config import CONFIGS, VARIANTS, frame_shares
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="inspro_lite",
        title="InsPro-lite",
        paradigm="query propagation",
        online=True,
        paper="He et al., InsPro: Propagating Instance Query and Proposal for Online Video Instance "
        "Segmentation, NeurIPS 2022, Sec 4.2 and A.1",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    track_cap=("tracks_per_video", "video"),
    build="methods.inspro_lite.model:InsProLite",
    variants=VARIANTS,
    mac_count=MacCount(overrides={"presence_threshold": 0.0}, frame_shares=frame_shares),
)
