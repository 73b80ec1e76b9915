"""What the paper of InsPro-VID leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

from methods.inspro import choices as inspro
from vis_bench.method import Choice

_MASK_KEYS = ("coordinate_scale", "mask_stages", "generator")
_OWN = (
    Choice(
        "-",
        "weights.dedup_beta",
        "paper",
        "Eq 4 has 0.1. Table 6(c) on ImageNet VID is best in AP at 0.15 (39.5 against 38.9) and in AP50 at "
        "0.1 (57.8 against 57.2); which of them the 64.1 AP50 of Table 6(a) used is not said.",
    ),
    Choice(
        "-",
        "backbone",
        "paper",
        "ResNet-101 in Table 6(a), ResNet-50 in the ablations: configuration `paper-r50`.",
    ),
    Choice(
        "-",
        "train.batch_size",
        "ours",
        "A.5.1 has three frames per batch, as Sec 4.2, which trains on 8 GPUs: 8 clips of three frames.",
    ),
    Choice(
        "-",
        "test_short_side",
        "ours",
        "The paper names no resolution for ImageNet VID: 360 at test and 288 to 512 in training, as for VIS.",
    ),
)

CHOICES = (
    *_OWN,
    *(
        replace(choice, note=choice.note.replace("A slot's mask", "A slot's box"))
        for choice in inspro.CHOICES
        if choice.key not in _MASK_KEYS
    ),
)
