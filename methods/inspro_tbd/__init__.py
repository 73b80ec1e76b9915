"""Tracking by detection with InsPro's per-frame network. Importing this imports no torch."""

from methods.inspro.start import START
from methods.inspro_tbd.choices import CHOICES
from methods.inspro_tbd.config import CONFIGS, VARIANTS
from methods.inspro_tbd.image_stage import IMAGE_STAGE
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="inspro_tbd",
        title="InsPro, tracking by detection",
        paradigm="tracking by detection",
        online=True,
        paper="He et al., InsPro: Propagating Instance Query and Proposal for Online Video Instance "
        "Segmentation, NeurIPS 2022, Table 2(d), with Yang et al., Video Instance Segmentation, ICCV 2019",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    track_cap=("detections_per_frame", "frame"),
    build="methods.inspro_tbd.model:InsProTbd",
    sources="methods.inspro.checkpoint:sources",
    start=START,
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"score_threshold": 0.0}),
    identity_cap="association.most_identities",
    associate="methods.inspro_tbd.association:associate",
    summarise="methods.inspro_tbd.association:summarise",
)
