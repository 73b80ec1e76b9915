"""What the track-and-detect row of InsPro leaves open: each value with its source. Imports no torch."""

from __future__ import annotations

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
    Choice("D11", "tracks_per_video", "public code", "Ten (track, class) pairs, as InsPro here."),
    Choice(
        "-",
        "dedup",
        "ours",
        "On: the row that Table 2(e) compares with (38.4 AP) includes box deduplication.",
    ),
    Choice("D13", "coordinate_scale", "public code", "As InsPro: CondInst's sizes of interest."),
    Choice("D14", "mask_stages", "ours", "As InsPro: masks are supervised at all stages."),
    Choice("D14", "generator", "ours", "As InsPro: one Linear per stage."),
    Choice(
        "D15",
        "stage_matching",
        "public code",
        "Entering objects are matched at every stage among the detect queries, as MOTR does.",
    ),
    Choice("D16", "train.sampling", "ours", "As InsPro: three random frames, sorted in time."),
    Choice("-", "clip_training_proposals", "public code", "As InsPro: only clipped under inference."),
    Choice("-", "proposal_init", "public code", "As InsPro: the whole image; `tiny` starts from a grid."),
    Choice("-", "query_init", "public code", "As InsPro: one draw per query; `tiny` has one for all."),
    Choice("-", "box_output_gain", "public code", "As InsPro: Xavier; `tiny` starts at 0."),
    Choice("-", "train.from_imagenet_lr", "ours", "As InsPro: 1e-4 from a backbone of ImageNet."),
    Choice(
        "-",
        "train.shard_clips",
        "paper",
        "One clip a device, as InsPro; objects of a frame count over all shards (num_boxes).",
    ),
)
