"""What InsPro's tracking-by-detection row leaves open: each value with its source. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES = (
    Choice(
        "-",
        "identity_samples",
        "ours",
        "The paper says that InsPro's network replaces the Mask R-CNN part of MaskTrack R-CNN, which trains "
        "its head on positive proposals (IoU 0.5, true boxes among them); here on boxes of the last stage "
        "with IoU 0.5 and the true boxes. `matched`: the one box per object that the matching assigns.",
    ),
    Choice("-", "identity_iou", "public code", "A proposal is positive from IoU 0.5 on (MaskTrack R-CNN)."),
    Choice("-", "identity_weight", "public code", "All losses of MaskTrack R-CNN have weight 1."),
    Choice(
        "-",
        "train.sampling",
        "ours",
        "Clips of three frames with a detection loss on each, as InsPro trains, so that only the tracking "
        "differs. Every frame has the next of its clip, cyclically, as reference frame; the reference's "
        "embeddings are read at its true boxes, as in MaskTrack R-CNN.",
    ),
    Choice(
        "-",
        "detections_per_frame",
        "public code",
        "Ten queries with the highest class score above 0.05, each with its best class.",
    ),
    Choice(
        "-",
        "nms_iou",
        "ours",
        "None: a set detector is trained to give each object one query, so MaskTrack R-CNN's non-maximum "
        "suppression falls away with its detector. `tiny` has 0.6: after so short a training several queries "
        "cover an object, and each starts an identity of its own in the first frame.",
    ),
    Choice(
        "-",
        "association.label_weight",
        "public code",
        "10, as MaskTrack R-CNN: a detection of another class than the identity's is almost never linked to "
        "it. `tiny` has 2, a value of ours: its classes still flicker.",
    ),
    Choice("-", "score_threshold", "public code", "0.05, as MaskTrack R-CNN."),
    Choice(
        "D18",
        "association.refresh_label",
        "public code",
        "Off: the stored class of an identity is its first (MaskTrack R-CNN); mmtracking refreshes it.",
    ),
    Choice(
        "D18",
        "association.forget_after_frames",
        "public code",
        "Identities are never forgotten (MaskTrack R-CNN); mmtracking forgets after 20 frames.",
    ),
    Choice(
        "-",
        "embedding_width",
        "public code",
        "Two layers of 1024 behind 7x7x256 features: the 13.8 M parameters that Table 2(d) adds.",
    ),
    Choice(
        "D13",
        "coordinate_scale",
        "public code",
        "As InsPro: CondInst's sizes of interest by the longer side of the box.",
    ),
    Choice("D14", "mask_stages", "ours", "As InsPro: masks are supervised at all stages."),
    Choice("D14", "generator", "ours", "As InsPro: one Linear per stage."),
    Choice("-", "proposal_init", "public code", "As InsPro: the whole image; `tiny` starts from a grid."),
    Choice(
        "-", "query_init", "public code", "As InsPro: one draw per query; `tiny` starts from one for all."
    ),
    Choice("-", "box_output_gain", "public code", "As InsPro: Xavier; `tiny` starts at 0."),
    Choice("-", "train.from_imagenet_lr", "ours", "As InsPro: 1e-4 from a backbone of ImageNet."),
    Choice(
        "-",
        "train.shard_clips",
        "paper",
        "One clip a device, as InsPro; objects of a frame count over all shards (num_boxes).",
    ),
)
