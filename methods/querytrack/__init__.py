"""QueryTrack: QueryInst with a contrastive tracking head per stage. Importing this imports no torch."""

from methods.querytrack.choices import CHOICES
from methods.querytrack.config import CONFIGS, VARIANTS
from vis_bench.method import MacCount, MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="querytrack",
        title="QueryTrack",
        paradigm="tracking by detection",
        online=True,
        paper="Yang et al., Tracking Instances as Queries, arXiv:2106.11963",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    track_cap=("detections_per_frame", "frame"),
    build="methods.querytrack.model:QueryTrack",
    convert_weights="methods.querytrack.checkpoint:from_queryinst",
    variants=VARIANTS,
    mac_count=MacCount(overrides={"score_threshold": 0.0}),
    associate="methods.querytrack.association:associate",
    summarise="methods.querytrack.association:summarise",
)
