"""Loading published Mask2Former and Mask2Former-VIS checkpoints (detectron2 names) into this model.

Source: specification 5 and 7.3; names of the public state dictionaries.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

from methods.layers import swin
from vis_bench.errors import DataError

_PIXEL = r"sem_seg_head\.pixel_decoder\."
_PREDICTOR = r"sem_seg_head\.predictor\."
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"backbone\.stem\.conv1\.norm\.", r"backbone.body.bn1."),
        (r"backbone\.stem\.conv1\.", r"backbone.body.conv1."),
        (r"backbone\.res([2-5])\.(\d+)\.shortcut\.norm\.", r"backbone.body.layer\1.\2.downsample.1."),
        (r"backbone\.res([2-5])\.(\d+)\.shortcut\.", r"backbone.body.layer\1.\2.downsample.0."),
        (r"backbone\.res([2-5])\.(\d+)\.conv([123])\.norm\.", r"backbone.body.layer\1.\2.bn\3."),
        (r"backbone\.res([2-5])\.(\d+)\.conv([123])\.", r"backbone.body.layer\1.\2.conv\3."),
        (_PIXEL + r"input_proj\.", r"pixel_decoder.input_projections."),
        (_PIXEL + r"transformer\.level_embed$", r"pixel_decoder.level_embedding"),
        (
            _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.sampling_offsets\.",
            r"pixel_decoder.encoder.\1.attention.offsets.",
        ),
        (
            _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.attention_weights\.",
            r"pixel_decoder.encoder.\1.attention.weights.",
        ),
        (
            _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.self_attn\.(value|output)_proj\.",
            r"pixel_decoder.encoder.\1.attention.\2.",
        ),
        (_PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm1\.", r"pixel_decoder.encoder.\1.norm."),
        (
            _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm2\.",
            r"pixel_decoder.encoder.\1.feed_forward.norm.",
        ),
        (
            _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.(linear[12])\.",
            r"pixel_decoder.encoder.\1.feed_forward.\2.",
        ),
        (_PIXEL + r"adapter_1\.norm\.", r"pixel_decoder.laterals.res2.1."),
        (_PIXEL + r"adapter_1\.", r"pixel_decoder.laterals.res2.0."),
        (_PIXEL + r"layer_1\.norm\.", r"pixel_decoder.outputs.res2.1."),
        (_PIXEL + r"layer_1\.", r"pixel_decoder.outputs.res2.0."),
        (_PIXEL + r"mask_features\.", r"pixel_decoder.mask_features."),
        (
            _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.multihead_attn\.",
            r"decoder.layers.\1.cross_attention.attention.",
        ),
        (
            _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.norm\.",
            r"decoder.layers.\1.cross_attention.norm.",
        ),
        (
            _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.self_attn\.",
            r"decoder.layers.\1.self_attention.attention.",
        ),
        (
            _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.norm\.",
            r"decoder.layers.\1.self_attention.norm.",
        ),
        (_PREDICTOR + r"transformer_ffn_layers\.(\d+)\.", r"decoder.layers.\1.feed_forward."),
        (_PREDICTOR + r"decoder_norm\.", r"decoder.norm."),
        (_PREDICTOR + r"query_feat\.", r"decoder.query_features."),
        (_PREDICTOR + r"static_query\.", r"decoder.query_features."),
        (_PREDICTOR + r"query_embed\.", r"decoder.query_positions."),
        (_PREDICTOR + r"level_embed\.", r"decoder.level_embedding."),
        (_PREDICTOR + r"class_embed\.", r"decoder.class_head."),
        # the heads are Sequential with a ReLU between, so their linear layers have even numbers
        (_PREDICTOR + r"mask_embed\.layers\.0\.", r"decoder.mask_head.0."),
        (_PREDICTOR + r"mask_embed\.layers\.1\.", r"decoder.mask_head.2."),
        (_PREDICTOR + r"mask_embed\.layers\.2\.", r"decoder.mask_head.4."),
    )
)
_UNUSED = re.compile(r"(criterion\.|pixel_mean$|pixel_std$)")
_SWIN = re.compile(r"backbone\.(?=(patch_embed|layers|norm\d)\.)")


def own_name(reference_name: str) -> str | None:
    """The name in this model of a published parameter; None for what has no counterpart (loss weights, pixel
    statistics). Raises DataError for a name that is not known."""
    if _UNUSED.match(reference_name):
        return None
    if (found := _SWIN.match(reference_name)) is not None:
        inner = swin.own_name(reference_name[found.end() :])
        return None if inner is None else f"backbone.{inner}"
    for pattern, replacement in _RENAMES:
        if pattern.match(reference_name):
            name = pattern.sub(replacement, reference_name, count=1)
            # torchvision counts a ResNet's stages from 1, detectron2 from res2
            return re.sub(r"(?<=body\.layer)\d", lambda m: str(int(m.group()) - 1), name)
    raise DataError(
        f"checkpoint: {reference_name!r} is not a Mask2Former parameter. Is it another model's file?"
    )


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published state dictionary to this model's names."""
    renamed = ((own_name(name), value) for name, value in state.items())
    return {name: value for name, value in renamed if name is not None}


_PLAIN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _ArraysOnly(pickle.Unpickler):
    """Unpickles dictionaries of NumPy arrays and nothing that can run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in (
            "_reconstruct",
            "scalar",
        ):
            return getattr(np._core.multiarray, name)  # type: ignore[attr-defined]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def read_reference(path: Path) -> dict[str, Tensor]:
    """Read a published checkpoint (`.pkl` of NumPy arrays or a torch file) without running code from it.

    Returns the state dictionary with its published names. Raises DataError when the file is missing, broken
    or holds anything but arrays.
    """
    try:
        with path.open("rb") as stream:
            content = (
                _read_pickle(stream)
                if path.suffix == ".pkl"
                else torch.load(stream, "cpu", weights_only=True)
            )
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise DataError(f"{path}: not a checkpoint of plain arrays ({error}).") from None
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise DataError(f"{path}: no state dictionary inside.")
    return {name: torch.as_tensor(value) for name, value in state.items()}


def _read_pickle(stream: BinaryIO) -> Any:
    return _ArraysOnly(stream, encoding="latin1").load()


def load_reference(model: nn.Module, state: Mapping[str, Tensor], new_classes: bool = False) -> None:
    """Load a published state dictionary into a Mask2FormerVis of the same sizes.

    new_classes: leave the class head as it is (a checkpoint trained for other classes, as in the COCO
    initialisation). Raises DataError naming what is missing, unknown or of another shape.
    """
    renamed = from_reference(state)
    if new_classes:
        renamed = {
            name: value for name, value in renamed.items() if not name.startswith("decoder.class_head.")
        }
    own = model.state_dict()
    wrong = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in renamed.items()
        if name in own and own[name].shape != value.shape
    ]
    unknown = sorted(set(renamed) - set(own))
    optional = (".num_batches_tracked", *(("class_head.weight", "class_head.bias") if new_classes else ()))
    missing = sorted(name for name in set(own) - set(renamed) if not name.endswith(optional))
    for problem, names in (("other shape", wrong), ("not in this model", unknown), ("missing", missing)):
        if names:
            raise DataError(
                f"checkpoint does not fit this configuration; {problem}: {', '.join(names[:3])}"
                f"{' and more' if len(names) > 3 else ''}. Use the configuration it was trained with."
            )
    model.load_state_dict({**own, **renamed})
