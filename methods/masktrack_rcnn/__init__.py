"""MaskTrack R-CNN: Mask R-CNN with a tracking head and an identity bank. Importing this imports no torch."""

from methods.masktrack_rcnn.config import CHOICES, CONFIGS, VARIANTS
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="masktrack_rcnn",
        title="MaskTrack R-CNN",
        paradigm="tracking by detection",
        online=True,
        paper="Yang et al., Video Instance Segmentation (ICCV 2019)",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.masktrack_rcnn.model:MaskTrackRcnn",
    variants=VARIANTS,
    mac_count=MacCount(overrides={"score_threshold": 0.0}),
    associate="methods.masktrack_rcnn.association:associate",
    summarise="methods.masktrack_rcnn.association:summarise",
)
