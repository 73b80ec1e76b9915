"""What the paper of InsPro-lite leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from methods.inspro import choices as inspro
from vis_bench.method import Choice

_OWN = (
    Choice(
        "-",
        "key_interval",
        "paper",
        "K = 10 (Sec 4.2; Table 3 has 1, 5, 10, 15). That the first frame of a video is a key frame is ours: "
        "a non-key frame needs queries and proposals that a frame before it has refined.",
    ),
    Choice(
        "D17",
        "clip_order",
        "ours",
        "A.1 takes three key and two non-key frames of one video and does not order them; alternating in "
        "time, both non-key frames follow a key frame directly.",
    ),
    Choice(
        "D17",
        "non_key_init",
        "ours",
        "A.1 is silent. The non-key head starts from the weights of the last stage, which also reads an "
        "already refined pair.",
    ),
    Choice(
        "D17",
        "non_key_training",
        "ours",
        "A.1 gives no schedule for the second phase: half of the first, same rate, optimiser and "
        "augmentation. The loss is on non-key frames only; nothing trained affects that of a key frame.",
    ),
    Choice(
        "-",
        "bank_frames",
        "ours",
        "Fig 4 has intra-query attention on key frames only; its bank holds the features of those frames.",
    ),
)

CHOICES = (*_OWN, *inspro.CHOICES)
