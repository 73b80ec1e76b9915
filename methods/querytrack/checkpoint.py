"""Loading published QueryInst checkpoints (mmdet names) into QueryTrack; the tracking heads stay new.

Source: names of the public state dictionaries (specification 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from methods.layers.dynamic_mask_head import mask_head_from_queryinst
from methods.layers.query_stage import stage_from_queryinst
from vis_bench.errors import DataError

_RENAMES = (
    (re.compile(r"backbone\.((?:conv1|bn1|layer[1-4])\..*)"), r"backbone.body.\1"),
    (re.compile(r"neck\.lateral_convs\.(\d+)\.conv\.(.*)"), r"fpn.pyramid.inner_blocks.\1.0.\2"),
    (re.compile(r"neck\.fpn_convs\.(\d+)\.conv\.(.*)"), r"fpn.pyramid.layer_blocks.\1.0.\2"),
    (re.compile(r"rpn_head\.init_proposal_bboxes\.weight"), "initial_boxes"),
    (re.compile(r"rpn_head\.init_proposal_features\.weight"), "initial_queries"),
)
_HEADS = (
    (re.compile(r"roi_head\.bbox_head\.(\d+)\."), "stages", stage_from_queryinst),
    (re.compile(r"roi_head\.mask_head\.(\d+)\."), "mask_heads", mask_head_from_queryinst),
)


def from_queryinst(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published QueryInst (ResNet) state dictionary to this model's names.

    Frozen batch norm has no counter, so the backbone's counters are left out. Raises DataError for an
    unknown name.
    """
    renamed: dict[str, Tensor] = {}
    prefixes: dict[tuple[str, str], None] = {}
    for name, value in state.items():
        if name.startswith("backbone.") and name.endswith("num_batches_tracked"):
            continue
        for pattern, replacement in _RENAMES:
            if pattern.fullmatch(name):
                renamed[pattern.sub(replacement, name)] = value
                break
        else:
            prefixes[_head_prefix(name)] = None
    for prefix, target in prefixes:
        convert = next(convert for _, module, convert in _HEADS if target.startswith(module + "."))
        try:
            part = convert(state, prefix)
        except KeyError as error:
            raise DataError(f"checkpoint: {error.args[0]}") from None
        renamed |= {f"{target}{inner}": value for inner, value in part.items()}
    return renamed


def _head_prefix(name: str) -> tuple[str, str]:
    """("roi_head.mask_head.0.", "mask_heads.0.") of a parameter of a head."""
    for pattern, module, _ in _HEADS:
        if found := pattern.match(name):
            return found.group(), f"{module}.{found.group(1)}."
    raise DataError(
        f"checkpoint: {name!r} is not a QueryInst (ResNet) parameter. Is it another model's file?"
    )
