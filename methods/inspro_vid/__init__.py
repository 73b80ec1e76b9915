"""InsPro-VID: InsPro on boxes, for joint detection and tracking. Importing this imports no torch."""

from methods.inspro.start import START
from methods.inspro_vid.choices import CHOICES
from methods.inspro_vid.config import CONFIGS, VARIANTS
from methods.inspro_vid.image_stage import IMAGE_STAGE
from vis_bench.method import MethodInfo, MethodSpec

SPEC = MethodSpec(
    info=MethodInfo(
        name="inspro_vid",
        title="InsPro-VID",
        paradigm="query propagation",
        online=True,
        paper="He et al., InsPro: Propagating Instance Query and Proposal for Online Video Instance "
        "Segmentation, NeurIPS 2022, Appendix A.5",
        licence="Apache-2.0",
        iou_type="bbox",
    ),
    configs=CONFIGS,
    choices=CHOICES,
    build="methods.inspro_vid.model:build",
    sources="methods.inspro.checkpoint:box_sources",
    start=START,
    variants=VARIANTS,
    image_stage=IMAGE_STAGE,
)
