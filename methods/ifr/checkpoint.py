"""Public Mask2Former checkpoints as starts of IFR: backbone, pixel decoder, and what a layer does in a frame.

The frame part of a layer is Mask2Former's: attention to the pixels, among the queries, feed-forward. Its
classes are left out: they compete with "no object" in a softmax there, here each has a sigmoid of its own.

Source: names of the public state dictionaries; IFR Section 3.1 (specification 4.1).
"""

from __future__ import annotations

from methods.ifr.config import IfrConfig
from methods.layers.backbone_checkpoint import BACKBONE_SOURCES
from methods.layers.mask2former_names import NOT_TAKEN, RENAMES, mask2former
from vis_bench.weights.source import Source

_PREDICTOR = r"sem_seg_head\.predictor\."
_FFN = _PREDICTOR + r"transformer_ffn_layers\."
_CLASSES = (_PREDICTOR + r"class_embed\.", 'a softmax with "no object"; here every class has a sigmoid')
_NO_FFN = (_FFN, "a frame has no feed-forward block in this configuration")


def sources(config: IfrConfig) -> tuple[Source, ...]:
    """Kinds of files that IFR can start from; the recurrent and the clip part of every layer stay new."""
    own = ((_FFN + r"(\d+)\.", r"decoder.layers.\1.frame_feed_forward."), *RENAMES)
    without = () if config.decoder.ifr_ffn == "both" else (_NO_FFN,)
    found = mask2former(own, (*NOT_TAKEN, _CLASSES, *without), (r"decoder\.class_head\.",))
    return (*found, *BACKBONE_SOURCES)
