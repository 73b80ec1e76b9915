"""Projects that are known: what adds their keys to a configuration, whose they are, and under which licence.

Functions and names are those of the projects' own training scripts; licences those of their repositories.
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_LICENCE = "not stated here; see its repository"

_DEEPLAB = "detectron2.projects.deeplab:add_deeplab_config"
_MASK2FORMER = (_DEEPLAB, "mask2former:add_maskformer2_config")
_MASK2FORMER_VIDEO = (*_MASK2FORMER, "mask2former_video:add_maskformer2_video_config")
_DVIS = (*_MASK2FORMER_VIDEO, "dvis:add_minvis_config", "dvis:add_dvis_config")
_DVIS_PLUS = (
    *_MASK2FORMER_VIDEO,
    *(f"dvis_Plus:add_{name}_config" for name in ("minvis", "dvis", "ctvis")),
)
_SEM_SEG = "MODEL.SEM_SEG_HEAD.NUM_CLASSES"
_MINVIS_FILES = "with files of MinVIS under the NVIDIA Source Code License-NC (non-commercial)"


@dataclass(frozen=True, slots=True)
class Project:
    """architectures: words of MODEL.META_ARCHITECTURE. functions: `module:function`, called on the
    configuration in order. classes: dotted key of the number of classes. videos: whether a whole video goes
    in; else detections of single images come out. get_cfg: what makes the configuration."""

    title: str
    paper: str
    licence: str
    paradigm: str
    architectures: tuple[str, ...]
    functions: tuple[str, ...]
    classes: str
    videos: bool = True
    get_cfg: str = "detectron2.config:get_cfg"


PROJECTS = (
    Project(
        "Mask2Former-VIS",
        "Cheng et al., Mask2Former for Video Instance Segmentation, arXiv:2112.10764",
        "MIT",
        "clip-level",
        ("VideoMaskFormer",),
        _MASK2FORMER_VIDEO,
        _SEM_SEG,
    ),
    Project(
        "MinVIS",
        "Huang et al., MinVIS: A Minimal Video Instance Segmentation Framework without Video-based Training "
        "(NeurIPS 2022)",
        "NVIDIA Source Code License-NC (non-commercial)",
        "tracking by detection",
        ("VideoMaskFormer_frame",),
        (*_MASK2FORMER_VIDEO, "minvis:add_minvis_config"),
        _SEM_SEG,
    ),
    Project(
        "CTVIS",
        "Ying et al., CTVIS: Consistent Training for Online Video Instance Segmentation (ICCV 2023)",
        "MIT",
        "tracking by detection",
        ("CTVISModel",),
        (*_MASK2FORMER, "ctvis:add_ctvis_config"),
        _SEM_SEG,
    ),
    Project(
        "DVIS",
        "Zhang et al., DVIS: Decoupled Video Instance Segmentation Framework (ICCV 2023)",
        f"MIT, {_MINVIS_FILES}",
        "query propagation",
        ("DVIS_online", "DVIS_offline"),
        _DVIS,
        _SEM_SEG,
    ),
    Project(
        "MinVIS (in DVIS)",
        "Huang et al., MinVIS: A Minimal Video Instance Segmentation Framework without Video-based Training "
        "(NeurIPS 2022)",
        f"MIT, {_MINVIS_FILES}",
        "tracking by detection",
        ("MinVIS",),
        _DVIS,
        _SEM_SEG,
    ),
    Project(
        "DVIS++",
        "Zhang et al., DVIS++: Improved Decoupled Framework for Universal Video Segmentation, "
        "arXiv:2312.13305",
        "MIT",
        "query propagation",
        ("DVIS_Plus_online", "DVIS_Plus_offline", "CTMinVIS"),
        _DVIS_PLUS,
        _SEM_SEG,
    ),
    Project(
        "DVIS-DAQ",
        "Zhou et al., DVIS-DAQ: Improving Video Segmentation via Dynamic Anchor Queries (ECCV 2024)",
        UNKNOWN_LICENCE,
        "query propagation",
        ("DVIS_DAQ_online", "DVIS_DAQ_offline"),
        (*_DVIS_PLUS, "dvis_daq:add_daq_config"),
        _SEM_SEG,
    ),
    Project(
        "IDOL",
        "Wu et al., In Defense of Online Models for Video Instance Segmentation (ECCV 2022)",
        "Apache-2.0",
        "tracking by detection",
        ("IDOL",),
        ("detectron2.projects.idol:add_idol_config",),
        "MODEL.IDOL.NUM_CLASSES",
    ),
    Project(
        "SeqFormer",
        "Wu et al., SeqFormer: Sequential Transformer for Video Instance Segmentation (ECCV 2022)",
        "Apache-2.0",
        "clip-level",
        ("SeqFormer",),
        ("detectron2.projects.seqformer:add_seqformer_config",),
        "MODEL.SeqFormer.NUM_CLASSES",
    ),
    Project(
        "Mask R-CNN (detectron2)",
        "He et al., Mask R-CNN (ICCV 2017)",
        "Apache-2.0",
        "tracking by detection",
        ("GeneralizedRCNN",),
        (),
        "MODEL.ROI_HEADS.NUM_CLASSES",
        videos=False,
    ),
    Project(
        "Mask2Former (detectron2)",
        "Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation (CVPR 2022)",
        "MIT",
        "tracking by detection",
        ("MaskFormer",),
        _MASK2FORMER,
        _SEM_SEG,
        videos=False,
    ),
    Project(
        "CondInst (AdelaiDet)",
        "Tian et al., Conditional Convolutions for Instance Segmentation (ECCV 2020)",
        "AdelaiDet, for non-commercial purposes",
        "tracking by detection",
        ("CondInst",),
        (),
        "MODEL.FCOS.NUM_CLASSES",
        videos=False,
        get_cfg="adet.config:get_cfg",
    ),
)


def known_project(architecture: str) -> Project | None:
    """The project that has this MODEL.META_ARCHITECTURE."""
    return next((one for one in PROJECTS if architecture in one.architectures), None)
