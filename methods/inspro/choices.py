"""What the paper of InsPro leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES = (
    Choice(
        "D11",
        "sequence_score",
        "ours",
        "The paper does not say how frame scores become a track score. Class vectors averaged over all "
        "frames, since slots exist in all and are trained as background when empty (TeViT averages so too).",
    ),
    Choice(
        "D11",
        "presence_threshold",
        "ours",
        "A slot's mask is written in frames where its largest class probability reaches 0.05, the threshold "
        "of MaskTrack R-CNN; the paper gives none.",
    ),
    Choice(
        "D11",
        "tracks_per_video",
        "public code",
        "Ten (slot, class) pairs with the highest scores, as MinVIS and TeViT keep ten tracks per video.",
    ),
    Choice(
        "D12",
        "bank_weights",
        "ours",
        "Eq 1 calls epsilon a linear transformation without its width; one weight per past frame and query.",
    ),
    Choice(
        "D12",
        "bank_length",
        "paper",
        "T = 18 (Table 2c). Eq 1 with T = 1 would give 2o although it is called no attention: bypassed.",
    ),
    Choice(
        "D13",
        "coordinate_scale",
        "public code",
        "Relative coordinates are divided by CondInst's sizes of interest (64 to 1024), chosen by the longer "
        "side of the predicted box, since there is no pyramid level; IDOL uses raw pixels.",
    ),
    Choice("D14", "mask_stages", "ours", "Masks are supervised at all stages, like class and box."),
    Choice(
        "D14",
        "generator",
        "ours",
        "Fig 2 shows one box for the weight generator: one Linear per stage; IDOL uses a 3-layer MLP.",
    ),
    Choice(
        "D15",
        "stage_matching",
        "public code",
        "The table is made with the last stage; for entering objects, earlier stages match on their own "
        "among free slots, as MOTR does.",
    ),
    Choice(
        "D15",
        "vanished",
        "ours",
        "Sec 3.3 reserves the slot of a disappeared object and is silent on its target: background class, "
        "neither box nor mask loss.",
    ),
    Choice(
        "D16",
        "train.sampling",
        "ours",
        "Sec 3.3 says consecutive, Sec 4.2 randomly sampled frames: frames sorted in time satisfy both.",
    ),
    Choice(
        "-",
        "proposal_init",
        "public code",
        "Every proposal starts as the whole image (Sparse R-CNN). `tiny` starts from a grid of boxes, which "
        "learns faster in a few hundred iterations.",
    ),
    Choice(
        "-",
        "query_init",
        "public code",
        "Every query starts from its own normal draw (Sparse R-CNN). `tiny` starts all from one draw, so "
        "that all slots first learn the same filters; their proposals tell them apart.",
    ),
    Choice(
        "-",
        "box_output_gain",
        "public code",
        "Xavier initialisation of the box output (Sparse R-CNN) scales boxes at random at every stage and "
        "frame until it is trained. `tiny` starts at 0: the first boxes are the proposals.",
    ),
    Choice(
        "-",
        "clip_training_proposals",
        "public code",
        "Sec 4.2 clips proposals under inference; Sparse R-CNN does not clip in training. Clipped boxes keep "
        "at least one pixel per side, since a box of width 0 could never grow again.",
    ),
    Choice(
        "-",
        "train.grad_clip_norm",
        "public code",
        "Gradient norm 1 and 1000 warm-up iterations from 0.01, as Sparse R-CNN.",
    ),
    Choice(
        "-",
        "train.augmentation",
        "ours",
        "Shorter side 288 to 512 in steps of 32; the paper gives the range only.",
    ),
    Choice(
        "-",
        "train.from_imagenet_lr",
        "ours",
        "1e-4 from a backbone of ImageNet: 2.5e-5 fine-tunes a model of COCO. Public code of Sparse R-CNN "
        "takes 2.5e-5 from ImageNet too, but 270,000 steps of 16 images.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "paper",
        "One clip of three frames a device. The number of visible objects of a frame is taken over "
        "all shards, as num_boxes of Sparse R-CNN's public code.",
    ),
)
