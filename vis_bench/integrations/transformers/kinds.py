"""The kinds of models that are known, by the library's word for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vis_bench.integrations.native import ForeignConfig


@dataclass(frozen=True, slots=True)
class Kind:
    """model: class of transformers. how: whole videos with classes, detections of frames, or videos of which
    the objects have to be shown."""

    model: str
    how: Literal["video", "frames", "prompted"]
    title: str
    paradigm: str
    paper: str


_FRAMES = "tracking by detection"
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "videomt": Kind(
            "VideomtForUniversalSegmentation",
            "video",
            "VidEoMT",
            "query propagation",
            "VidEoMT: Your ViT is Secretly Also a Video Segmentation Model",
        ),
        "mask2former": Kind(
            "Mask2FormerForUniversalSegmentation",
            "frames",
            "Mask2Former (transformers)",
            _FRAMES,
            "Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation (CVPR 2022)",
        ),
        "eomt": Kind(
            "EomtForUniversalSegmentation",
            "frames",
            "EoMT (transformers)",
            _FRAMES,
            "Kerssies et al., Your ViT is Secretly an Image Segmentation Model (CVPR 2025)",
        ),
        "eomt_dinov3": Kind(
            "EomtDinov3ForUniversalSegmentation",
            "frames",
            "EoMT with DINOv3 (transformers)",
            _FRAMES,
            "Kerssies et al., Your ViT is Secretly an Image Segmentation Model (CVPR 2025)",
        ),
        "rf_detr": Kind(
            "RfDetrForInstanceSegmentation",
            "frames",
            "RF-DETR (transformers)",
            _FRAMES,
            "Robinson et al., RF-DETR: Neural Architecture Search for Real-Time Detection Transformers",
        ),
        "sam2_video": Kind(
            "Sam2VideoModel",
            "prompted",
            "SAM 2",
            "memory tracking",
            "Ravi et al., SAM 2: Segment Anything in Images and Videos, arXiv:2408.00714",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class VideoConfig(ForeignConfig):
    """tracks_per_video: the best so many pairs of query and class."""

    tracks_per_video: int = 10


@dataclass(frozen=True, slots=True)
class PromptedConfig(ForeignConfig):
    """prompt: `truth`, or the name of a detector. detector: SHA-256 of its configuration and weights.
    score_threshold, most_objects: which of its detections in the first frame are followed."""

    prompt: str = "truth"
    detector: str = ""
    score_threshold: float = 0.3
    most_objects: int = 10
