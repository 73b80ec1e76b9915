"""QueryTrack: QueryInst with a contrastive tracking head per stage. Importing this imports no torch."""

from methods.querytrack.choices import CHOICES
from methods.querytrack.config import CONFIGS, VARIANTS
from methods.querytrack.image_stage import IMAGE_STAGE
from vis_bench.method import ClassHead, MacCount, MethodInfo, MethodSpec, StartRules

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
    sources="methods.querytrack.checkpoint:sources",
    start=StartRules(
        may_miss=(r"track_heads\.",),
        class_heads=(ClassHead(r"stages\.\d+\.class_output\."), ClassHead(r"mask_heads\.\d+\.output\.")),
    ),
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"score_threshold": 0.0}),
    identity_cap="association.most_identities",
    associate="methods.querytrack.association:associate",
    summarise="methods.querytrack.association:summarise",
)
