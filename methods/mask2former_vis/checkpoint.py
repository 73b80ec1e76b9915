"""Public Mask2Former and Mask2Former-VIS checkpoints as starts of this model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.mask2former_names import NOT_TAKEN, RENAMES, mask2former
from methods.mask2former_vis.config import Mask2FormerVisConfig
from vis_bench.weights.source import Source, convert


def sources(config: Mask2FormerVisConfig) -> tuple[Source, ...]:
    """Kinds of files that Mask2Former-VIS can start from."""
    return (*mask2former(RENAMES, NOT_TAKEN, ()), *BACKBONE_SOURCES)


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dictionary by this model's names; a name that is not known stays as it is."""
    return convert(mask2former(RENAMES, NOT_TAKEN, ())[0], state).state
