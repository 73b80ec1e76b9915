"""What the paper of STC leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES = (
    Choice(
        "D5",
        "loss.contra_pos_reduce",
        "ours",
        "Eq 3 sums over k+. A 200x200 box has 625 positives on the stride-8 map, so the first value would be "
        "about 600 with weight 0.2: unstable at SGD 5e-3 without clipping. Default mean.",
    ),
    Choice(
        "D6",
        "loss.consistency_reduce",
        "ours",
        "Eq 6 is a squared L2 norm; with weight 10 the sum over 169 entries would be 169 times stronger than "
        "their mean. Default mean. Each positive point is paired with one random positive point of the same "
        "object in the other frame, gradients flow into both (CrossVIS's sampling).",
    ),
    Choice(
        "D7",
        "association.rule",
        "ours",
        "Sec 3.5 says similar to MaskTrack R-CNN, whose rule is the default; `crossvis` is the alternative. "
        "The contrastive loss never fixes the absolute size of q.k, so the zero logit for new objects need "
        "not fit.",
    ),
    Choice(
        "D7",
        "association.dummy_logit",
        "public code",
        "0, as MaskTrack R-CNN and SipMask-VIS.",
    ),
    Choice(
        "D8",
        "kernel_source",
        "ours",
        "Fig 1 and Sec 3.3 show the kernel generator as a head of its own; CondInst hangs one convolution on "
        "the box tower.",
    ),
    Choice(
        "D8",
        "kernel_convs",
        "paper",
        "Three stacked convolutions (Table 6), read as the tower before the output convolution. The column "
        "could also mean the depth of the dynamic head.",
    ),
    Choice(
        "D8",
        "tracking_convs",
        "public code",
        "Several convolutions on P3 to P5, outputs fused (Sec 3.3). SipMask-VIS: 3 shared convolutions, "
        "bilinear to stride 8, concatenation, one 1x1 convolution.",
    ),
    Choice(
        "-",
        "loss.tracking",
        "ours",
        "Tables 4 and 5 switch the contrastive loss off without saying what remains: the identity softmax of "
        "MaskTrack R-CNN with reference embeddings at the centres of the truth boxes.",
    ),
    Choice(
        "-",
        "loss.anchors",
        "ours",
        "Anchors are the positive points whose object is in the reference frame, at most 128 per frame.",
    ),
    Choice(
        "-",
        "loss.anchor_reading",
        "public code",
        "SipMask-VIS floors the centre divided by 8; bilinear is the option. Also used at inference.",
    ),
    Choice(
        "-",
        "loss.negatives_from",
        "paper",
        "Whole reference map (Table 8). Drawn per object, not per anchor, for memory; padding is left out "
        "(both ours).",
    ),
    Choice(
        "-",
        "loss.mask_positives",
        "public code",
        "CondInst: at most 500 random positives a device, here a shard; half for each frame of the pairs.",
    ),
    Choice(
        "-",
        "threshold_on",
        "ours",
        "Sec 3.5 puts the threshold 0.03 on the classification confidence; CondInst multiplies by "
        "centre-ness first. Ranking is by sqrt(class * centre-ness) as in CondInst in both cases.",
    ),
    Choice("-", "candidates_per_level", "public code", "SipMask-VIS keeps 200 per level before NMS."),
    Choice(
        "-",
        "centre_radius",
        "public code",
        "CondInst: 1.5 strides around the mask centroid. Sec 3.3 defines positives as all points inside a "
        "box, which is used for the tracking map only.",
    ),
    Choice(
        "-",
        "train.sampling",
        "ours",
        "Reference frame from the temporal neighbourhood: at most 10 labelled frames away.",
    ),
    Choice(
        "-",
        "train.batch_size",
        "ours",
        "16 pairs, warm-up 1000 iterations, flip 0.5; the paper gives rate, decay, epochs and steps.",
    ),
    Choice(
        "-",
        "train.iterations",
        "public code",
        "12 epochs (paper) are the 1x schedule of CrossVIS, on which STC is built: 23,000 steps of 16 pairs, "
        "rate down at 15,000 and 21,000; 23,000 x 32 frames are 11.9 times the 61,800 labelled ones. Every "
        "video is drawn equally often.",
    ),
    Choice(
        "-",
        "train.backbone_lr_factor",
        "ours",
        "1: CrossVIS's code scales gradients into backbone and FPN by 0.1, of which the paper says nothing.",
    ),
    Choice(
        "-",
        "train.from_imagenet_lr",
        "public code",
        "1e-2 from a backbone of ImageNet, as CondInst at 16 images; 5e-3 fine-tunes a model of COCO.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "ours",
        "16 pairs as 8 devices of 2; the paper names no devices. Positive points and their "
        "centre-ness are taken over all shards (num_pos and loss_denorm of AdelaiDet); the mask loss, "
        "its cap and the tracking losses are a shard's own.",
    ),
)
