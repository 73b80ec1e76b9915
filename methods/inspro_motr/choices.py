"""What the track-and-detect row of InsPro leaves open: each value with its source. Imports no torch."""

from __future__ import annotations

from methods.inspro.choices import as_inspro
from vis_bench.method import Choice

CHOICES = (
    Choice(
        "-", "track_iou", "public code", "MOTR keeps a track query for training where its IoU exceeds 0.5."
    ),
    Choice("-", "drop_probability", "public code", "0.1, as MOTR drops track queries in training."),
    Choice(
        "-",
        "false_probability",
        "public code",
        "0.3, as MOTR adds false tracks: the slots without an object that overlap most with true tracks.",
    ),
    Choice(
        "-",
        "query_update",
        "ours",
        "MOTR's queries have a content and a position half; InsPro's have no position. Self-attention and "
        "feed-forward act on the object features, and the result is added to the query that entered the "
        "frame, as to MOTR's content half. `replace`: the result is the query.",
    ),
    Choice(
        "-",
        "birth_threshold",
        "public code",
        "0.7 as MOTR. `tiny`, which trains shortly, has a value of ours.",
    ),
    Choice("-", "keep_threshold", "public code", "0.6 as MOTR. `tiny` has a value of ours."),
    Choice("-", "patience_frames", "public code", "A track ends after 5 missed frames (MOTR)."),
    Choice(
        "-",
        "missed_reset",
        "public code",
        "MOTR clears the count of missed frames only at a score above the birth threshold; `keep`: at any "
        "frame that is not missed.",
    ),
    Choice(
        "-",
        "presence_threshold",
        "ours",
        "A track has a mask in the frames that are not missed. `tiny` has a lower value of ours.",
    ),
    Choice(
        "D11",
        "sequence_score",
        "ours",
        "As InsPro a mean of class vectors, over the frames from birth to end of a track, since a track does "
        "not exist before.",
    ),
    Choice(
        "-",
        "dedup",
        "ours",
        "On: the row that Table 2(e) compares with (38.4 AP, `inspro@T1`) includes box deduplication.",
    ),
    *as_inspro(
        "tracks_per_video",
        "coordinate_scale",
        "mask_stages",
        "generator",
        "stage_matching",
        "train.sampling",
        "clip_training_proposals",
        "proposal_init",
        "query_init",
        "box_output_gain",
        "train.from_imagenet_lr",
        "train.shard_clips",
    ),
)
