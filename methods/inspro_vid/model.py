"""InsPro-VID is InsPro without mask branch, weight generators and mask losses; all else is shared.

Source: He et al., InsPro (NeurIPS 2022), Appendix A.5.1; specification 6.7.
"""

from __future__ import annotations

from methods.inspro.config import InsProConfig
from methods.inspro.model import InsPro


def build(config: InsProConfig, num_classes: int) -> InsPro:
    """The model; its tracks hold boxes (x, y, width, height) in original pixels and no masks.

    125,206,173 parameters in the configuration `paper` at 30 classes, frozen BatchNorm's affine included.
    Training needs the boxes of a clip only; its masks take no part.
    """
    return InsPro(config, num_classes, masks=False)
