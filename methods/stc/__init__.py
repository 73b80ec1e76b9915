"""STC: CondInst with a tracking head, trained by contrast across frames. Importing this imports no torch."""

from methods.stc.choices import CHOICES
from methods.stc.config import CONFIGS, VARIANTS
from methods.stc.image_stage import IMAGE_STAGE
from vis_bench.method import ClassHead, MacCount, MethodInfo, MethodSpec, StartRules

SPEC = MethodSpec(
    info=MethodInfo(
        name="stc",
        title="STC",
        paradigm="tracking by detection",
        online=True,
        paper="Jiang et al., STC: Spatio-Temporal Contrastive Learning for Video Instance Segmentation",
        licence="Apache-2.0",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    track_cap=("detections_per_frame", "frame"),
    build="methods.stc.model:Stc",
    sources="methods.stc.checkpoint:sources",
    start=StartRules(may_miss=(r"tracking\.",), class_heads=(ClassHead(r"detection\.classes\."),)),
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
    mac_count=MacCount(overrides={"score_threshold": 0.0}),
    identity_cap="association.most_identities",
    associate="methods.stc.association:associate",
    summarise="methods.stc.association:summarise",
)
