"""What is left open in MaskTrack R-CNN: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES = (
    Choice(
        "D18",
        "association.refresh_label",
        "public code",
        "The official code keeps the class of an identity's first detection in the bank; mmtracking "
        "refreshes it (variant refresh-class).",
    ),
    Choice(
        "D18",
        "association.forget_after_frames",
        "public code",
        "The official code forgets nothing; mmtracking drops identities unseen for 20 frames (variant "
        "forget20).",
    ),
    Choice(
        "-",
        "association.dummy_logit",
        "public code",
        "0 for a new object, in training and at inference; its IoU is 0 and its class counts as equal.",
    ),
    Choice(
        "-",
        "score_threshold",
        "public code",
        "0.05 in the official code, 0.01 in mmtracking (variant mmtracking).",
    ),
    Choice(
        "-",
        "roi.sampling_ratio",
        "public code",
        "2 x 2 samples per cell. RoIAlign is half-pixel aligned, as in mmtracking; the official code of 2019 "
        "is half a cell off.",
    ),
    Choice(
        "-",
        "rpn.low_quality_iou",
        "public code",
        "The best anchors of an object are positive from IoU 0.3 only. Anchors whose centre lies in the "
        "padding take no part (ours; public code decides by cell, which is the same).",
    ),
    Choice(
        "-",
        "rpn.proposals",
        "public code",
        "200 per image in training too, after at most 200 per level and suppression within a level.",
    ),
    Choice(
        "-",
        "roi.add_truth",
        "public code",
        "True boxes join the proposals, so that every object has a positive from the first step.",
    ),
    Choice(
        "-",
        "mask_threshold",
        "public code",
        "0.5 on the probability, interpolated in the frame; targets are 1 where the object covers half of a "
        "cell.",
    ),
    Choice(
        "-",
        "train.sampling",
        "public code",
        "The reference frame is uniform over the other labelled frames of the video.",
    ),
    Choice(
        "-",
        "train.batch_size",
        "ours",
        "8 pairs per GPU in public code, the number of GPUs is not certain: one is assumed at the "
        "rate 0.005.",
    ),
    Choice(
        "-",
        "train.iterations",
        "ours",
        "12 epochs of about 61,800 labelled frames of YouTube-VIS 2019, 8 pairs a step, whatever the "
        "dataset; every video is drawn equally often.",
    ),
    Choice(
        "-",
        "backbone.frozen_norm",
        "ours",
        "Public code keeps BatchNorm in evaluation mode but trains its scale and shift; here they are fixed.",
    ),
    Choice(
        "-",
        "train.from_imagenet_lr",
        "public code",
        "1e-2 from a backbone of ImageNet: Mask R-CNN takes 2e-2 for 16 images; 5e-3 fine-tunes "
        "a model of COCO.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "ours",
        "One shard of 8 pairs: mmdet 1.x divides every loss by the samples of its own device, and the "
        "paper's 8 pairs are one a device, too few for its sampling; larger shards sample alike.",
    ),
)
