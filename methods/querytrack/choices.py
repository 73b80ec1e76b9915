"""What the paper of QueryTrack leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES = (
    Choice(
        "D1",
        "association.init_threshold",
        "ours",
        "Eq 9 has no entry for a new object: with one candidate and one identity S is 1 whatever the "
        "embeddings are. A candidate without identity and with at least this confidence starts a new one.",
    ),
    Choice(
        "D1",
        "association.similarity_gate",
        "ours",
        "A match needs at least this cosine of the raw embeddings, since no threshold on F alone tells a new "
        "object from an old one.",
    ),
    Choice(
        "D1",
        "association.factor_floor",
        "ours",
        "No floor on F of Eq 8: all identities of the bank share a row of Eq 9, so F of a right match falls "
        "as the bank grows. A floor turns known objects into new identities, which fill the bank further.",
    ),
    Choice(
        "D1",
        "association.losers",
        "ours",
        "A candidate whose identities all went to others follows the rule for new objects; MaskTrack R-CNN "
        "discards it.",
    ),
    Choice(
        "D2",
        "weights.track_alpha",
        "ours",
        "alpha_t of Eq 7 is not given: 0.25 at the right entry and 0.75 at the others, RetinaNet's notation "
        "and the value of QueryInst's class loss.",
    ),
    Choice("D2", "weights.track_gamma", "ours", "gamma of Eq 7 is not given: 2, as QueryInst's class loss."),
    Choice(
        "D2",
        "weights.track_entries",
        "ours",
        "Eq 7 is per entry: summed over the N + 1 entries, 0 being right when the object is not in the "
        "reference frame, then averaged over the matched instances of the key frames. Eq 6 names n = 1..N.",
    ),
    Choice("D2", "weights.track", "ours", "The weight of the track loss is not given: 1, at every stage."),
    Choice(
        "D3",
        "track_resolution",
        "ours",
        "RoI of the tracking head: 7 x 7 with a projection to a vector, as the box branch; Eq 4 is silent.",
    ),
    Choice("D3", "embedding_width", "ours", "Output of the linear projection T_t: the width of a query."),
    Choice(
        "D3",
        "track_stages",
        "ours",
        "The heads of Eq 4 have the index of a stage and QueryInst supervises every stage; inference uses "
        "the last head only.",
    ),
    Choice(
        "D4",
        "reference_boxes",
        "ours",
        "An embedding needs a query, so reference embeddings come from the queries matched in the reference "
        "frame, at the same stage; their RoI is the predicted box, or the truth's. Detection losses act on "
        "both frames.",
    ),
    Choice(
        "-",
        "score_threshold",
        "public code",
        "Candidates have a class probability of at least 0.05, as MaskTrack R-CNN; QueryInst keeps all.",
    ),
    Choice(
        "-",
        "query_once",
        "ours",
        "The 10 best (query, class) pairs with each query only once: two candidates of one query would have "
        "the same embedding.",
    ),
    Choice(
        "-",
        "mask_norm",
        "public code",
        "BatchNorm, trained, over the boxes of all matched queries (QueryInst). GroupNorm is an option.",
    ),
    Choice("-", "weights.dice", "public code", "The mask loss is dice alone with weight 8 (QueryInst)."),
    Choice(
        "-",
        "queries",
        "paper",
        "100 for the R50 baseline, 300 for the challenge entry (variant `challenge`, with 640 px and crops).",
    ),
    Choice(
        "-",
        "train.batch_size",
        "paper",
        "32 pairs and rate 1.25e-5 of Sec 3.2; Sec 3.3 does not say whether the R50 baseline keeps them.",
    ),
    Choice(
        "-",
        "train.iterations",
        "ours",
        "12 epochs of about 90,200 labelled frames of YouTube-VIS 2021, 32 pairs a step, whatever the "
        "dataset; every video is drawn equally often.",
    ),
    Choice("-", "train.sampling", "paper", "Two random frames of a video; the first is the key frame."),
    Choice(
        "-",
        "train.augmentation",
        "public code",
        "Shorter side 320 to 800 (paper) in steps of 32. The crop of the challenge entry is not described; "
        "at least 0.64 of each side is kept, the range of DETR-style crops.",
    ),
    Choice("-", "train.grad_clip_norm", "public code", "Norm 1 and 1000 warm-up iterations, as QueryInst."),
    Choice(
        "-",
        "proposal_init",
        "public code",
        "Every box starts as the whole image (QueryInst). `tiny` starts from a grid of boxes, which learns "
        "faster in a few hundred iterations.",
    ),
    Choice(
        "-",
        "query_init",
        "public code",
        "Every query starts from its own normal draw (QueryInst). `tiny` starts all from one draw, so that "
        "all queries first learn the same filters.",
    ),
    Choice(
        "-",
        "box_output_gain",
        "public code",
        "Xavier initialisation of the box output (QueryInst). `tiny` starts at 0: the first boxes are the "
        "proposals.",
    ),
    Choice(
        "-",
        "train.from_imagenet_lr",
        "ours",
        "1e-4 from a backbone of ImageNet: 1.25e-5 fine-tunes a model of COCO. Public code of QueryInst "
        "takes 2.5e-5 from ImageNet, but 270,000 steps of 16 images.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "public code",
        "32 pairs on 8 devices: 4 a device. avg_factor, the number of targets, is taken over all "
        "shards, as mmdet's heads for QueryInst do; the tracking loss is a shard's own mean.",
    ),
)
