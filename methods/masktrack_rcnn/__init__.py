"""MaskTrack R-CNN: Mask R-CNN with a tracking head and an identity bank. Importing this imports no torch."""

from methods.masktrack_rcnn.choices import CHOICES
from methods.masktrack_rcnn.config import CONFIGS, VARIANTS
from methods.masktrack_rcnn.image_stage import IMAGE_STAGE
from vis_bench.method import ClassHead, MacCount, MethodInfo, MethodSpec, StartRules

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
    track_cap=("detections_per_frame", "frame"),
    build="methods.masktrack_rcnn.model:MaskTrackRcnn",
    sources="methods.masktrack_rcnn.checkpoint:sources",
    start=StartRules(
        may_miss=(r"track_head\.",),
        class_heads=(
            ClassHead(r"box_head\.classes\.", background="first"),
            ClassHead(r"box_head\.deltas\.", rows=4, background="first"),
            ClassHead(r"mask_head\.classes\.", background="first"),
        ),
    ),
    variants=VARIANTS,
    # the reference frame of a pair lends embeddings
    detection_frames=lambda config, phase: 1,
    image_stage=IMAGE_STAGE,
    # random weights propose the same box often, and random embeddings claim the same track; what is refused
    # there costs nothing, so nothing is refused
    mac_count=MacCount(
        overrides={"score_threshold": 0.0, "rpn.nms_iou": 1.0, "association.dummy_logit": 1e6}
    ),
    identity_cap="association.most_identities",
    associate="methods.masktrack_rcnn.association:associate",
    summarise="methods.masktrack_rcnn.association:summarise",
)
