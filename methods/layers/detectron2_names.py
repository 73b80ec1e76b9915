"""Names and conventions of detectron2's backbones, turned into torchvision's.

Source: names of the public state dictionaries; detectron2's BGR input with standard deviation 1.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from methods.layers.images import STD_RGB

STEM = "backbone.body.conv1.weight"
PIXELS = (r"pixel_(mean|std)$", "statistics of the pixels; ours are constants")


def resnet_rules(prefix: str) -> tuple[tuple[str, str], ...]:
    """Renames of a detectron2 ResNet below `prefix` (a regular expression) to `backbone.body.`."""
    own = "backbone.body."
    stages = [
        rule
        for stage in (2, 3, 4, 5)
        for rule in (
            (rf"{prefix}res{stage}\.(\d+)\.shortcut\.norm\.", rf"{own}layer{stage - 1}.\1.downsample.1."),
            (rf"{prefix}res{stage}\.(\d+)\.shortcut\.", rf"{own}layer{stage - 1}.\1.downsample.0."),
            (rf"{prefix}res{stage}\.(\d+)\.conv([123])\.norm\.", rf"{own}layer{stage - 1}.\1.bn\2."),
            (rf"{prefix}res{stage}\.(\d+)\.conv([123])\.", rf"{own}layer{stage - 1}.\1.conv\2."),
        )
    ]
    stem = ((rf"{prefix}stem\.conv1\.norm\.", f"{own}bn1."), (rf"{prefix}stem\.conv1\.", f"{own}conv1."))
    return (*stem, *stages)


def pyramid_rules(prefix: str, finest: int) -> tuple[tuple[str, str], ...]:
    """Renames of a detectron2 feature pyramid over res`finest`..res5 to `fpn.pyramid.`, P6 and P7 too."""
    levels = [
        (rf"{prefix}fpn_{theirs}{level}\.", f"fpn.pyramid.{ours}.{level - finest}.0.")
        for level in range(finest, 6)
        for theirs, ours in (("lateral", "inner_blocks"), ("output", "layer_blocks"))
    ]
    return (*levels, (rf"{prefix}top_block\.(p[67])\.", r"fpn.pyramid.extra_blocks.\1."))


def caffe2_own_name(name: str) -> str | None:
    """The name in `backbone.body.` of a tensor of a ResNet with Caffe2's names; None for any other.

    `conv1_w`, `res_conv1_bn_s`, `res2_0_branch2a_w`, `res2_0_branch1_bn_gamma`, ...
    """
    ends = {
        "w": "weight",
        "bn_s": "weight",
        "bn_gamma": "weight",
        "bn_b": "bias",
        "bn_beta": "bias",
        "bn_running_mean": "running_mean",
        "bn_rm": "running_mean",
        "bn_running_var": "running_var",
        "bn_riv": "running_var",
    }
    found = re.fullmatch(r"(?:res_)?conv1_(w|bn_\w+)|res([2-5])_(\d+)_branch(1|2[abc])_(w|bn_\w+)", name)
    if found is None:
        return None
    end = found.group(1) or found.group(5)
    if end not in ends:
        return None
    is_norm = end != "w"
    if found.group(1):
        return f"backbone.body.{'bn1' if is_norm else 'conv1'}.{ends[end]}"
    stage, block, branch = int(found.group(2)) - 1, found.group(3), found.group(4)
    if branch == "1":
        part = f"downsample.{int(is_norm)}"
    else:
        part = f"{'bn' if is_norm else 'conv'}{'abc'.index(branch[1]) + 1}"
    return f"backbone.body.layer{stage}.{block}.{part}.{ends[end]}"


def stem_from_bgr(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with a stem for ImageNet-normalised RGB instead of BGR 0..255 less the same mean.

    The first convolution is linear and both inputs are zero at the mean (and in the padding), so that this is
    exact: its channels are reversed and each is multiplied by the standard deviation in RGB, 0..255.
    """
    if STEM not in state:
        return state
    weight = state[STEM].flip(1) * torch.tensor(STD_RGB, dtype=state[STEM].dtype).view(1, 3, 1, 1)
    return {**state, STEM: weight}


def with_fused_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Statistics for norms that are stored as scale and shift alone: mean 0, variance 1.

    Source: detectron2's FrozenBatchNorm2d, which loads such files with ones (its epsilon comes on top).
    """
    filled = dict(state)
    for name, value in state.items():
        if not re.search(r"\.(bn\d|downsample\.1)\.bias$", name):
            continue
        mean, variance = (
            name.removesuffix("bias") + "running_mean",
            name.removesuffix("bias") + "running_var",
        )
        if mean not in state and variance not in state:
            filled[mean], filled[variance] = torch.zeros_like(value), torch.ones_like(value)
    return filled
