"""InsPro-lite: InsPro's full head on key frames, one stage between them. Importing this imports no torch."""

from methods.inspro.start import START
from methods.inspro_lite.choices import CHOICES
from methods.inspro_lite.config import CONFIGS, VARIANTS, detection_frames, frame_shares
from methods.inspro_lite.image_stage import IMAGE_STAGE
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
    build="methods.inspro_lite.model:InsProLite",
    sources="methods.inspro.checkpoint:sources",
    start=START,
    variants=VARIANTS,
    phase_keys=("train", "non_key_training"),
    detection_frames=detection_frames,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"presence_threshold": 0.0}, frame_shares=frame_shares),
)
