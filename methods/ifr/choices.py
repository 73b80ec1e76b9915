"""What the paper of IFR leaves open: each value with its source and reason. Imports no torch."""

from __future__ import annotations

from vis_bench.method import Choice

CHOICES: tuple[Choice, ...] = (
    Choice(
        "D9",
        "decoder.layers",
        "public code",
        "The paper gives no number of layers; 9, round robin over strides 32, 16, 8, as Mask2Former.",
    ),
    Choice(
        "D9",
        "decoder.ifr_ffn",
        "ours",
        "Eq 2 and 3 list attention only; Mask2Former's layers end in a feed-forward block, so the frame part "
        "(kept half) and the clip part end in one each: `both`. `clip` and `none` are the alternatives.",
    ),
    Choice(
        "D9",
        "loss.points",
        "public code",
        "Masks are compared on 12,544 points as in Mask2Former, which the paper builds on: shared in the "
        "matching, drawn by uncertainty for each own-frame and each cross-frame mask in the losses.",
    ),
    Choice(
        "D9",
        "decoder.levels",
        "public code",
        "Round robin over strides 32, 16, 8. The recurrence carries the order of the frames, there is no "
        "encoding of time. `tiny` attends to finer levels because its frames are small.",
    ),
    Choice(
        "D10",
        "inference.clip_stride",
        "public code",
        "Table 4 gives the lengths of clips only; IFC, whose clip tracking it uses, moves by one frame. The "
        "last clip is moved back to its full length, as in IFC; that shows at larger strides only.",
    ),
    Choice(
        "D10",
        "inference.tta_scales",
        "ours",
        "Section 4.2 says four resolutions. Variant `tta`: 1, 7/6, 4/3, 3/2 of the test size, that is 360, "
        "420, 480, 540 for a test size of 360; relative, so that it fits small videos too.",
    ),
    Choice(
        "D10",
        "inference.min_score",
        "public code",
        "0.01 as in IFC, with at most `top_k` tracks. The score at which tracks enter Table 3 is not given: "
        "tracking metrics are reported over a sweep of thresholds.",
    ),
    Choice(
        "-",
        "inference.clip_min_score",
        "ours",
        "IFC drops the queries of a clip whose best class is `no object`, which focal loss does not have: "
        "0.05 instead.",
    ),
    Choice("-", "inference.clip_match_above", "public code", "Soft IoU above 0.05 continues a track (IFC)."),
    Choice(
        "-",
        "inference.tta_seed",
        "ours",
        "Section 3.2 chooses the pivot at random; here from this seed and the video's id.",
    ),
    Choice(
        "-",
        "top_k",
        "public code",
        "The paper does not say how many tracks are kept; ten (query, class) pairs as Mask2Former-VIS.",
    ),
    Choice(
        "-",
        "loss.cross_frame_weight",
        "paper",
        "0.3 (Section 4.3). The values on the axis of Figure 4 are not in the text of the paper; the "
        "variants lambda-e-* take 0, 0.1, 0.3, 0.5 and 1.",
    ),
    Choice(
        "-",
        "loss.class_weight",
        "paper",
        "lambda_c = 2 (Section 4.1), starting from COCO weights. `tiny` takes 6: at 2, from a random start,"
        " it had learned no class after 300 iterations.",
    ),
    Choice(
        "-",
        "loss.focal_alpha",
        "public code",
        "Eq 5 says focal loss without its constants: 0.25 and 2; the sum is divided by the objects.",
    ),
    Choice(
        "-",
        "decoder.class_prior",
        "public code",
        "The bias of the class head starts at a probability of 0.01, as is usual with focal loss.",
    ),
    Choice(
        "-",
        "train.iterations",
        "public code",
        "Section 4.1 gives neither optimiser nor schedule; Mask2Former-VIS: 6,000 with the step at 4,000 for "
        "YouTube-VIS 2019, 8,000 and 5,500 for 2021, taken by itself with --dataset ytvis21.",
    ),
    Choice(
        "-",
        "train.sampling",
        "public code",
        "Two frames (Section 4.1); the second within 20 frames of the first, as Mask2Former-VIS.",
    ),
    Choice(
        "-",
        "low_memory",
        "ours",
        "Features of the frames are kept in 16 bit, about half the memory of a long video; mas"
        "ks differ in single pixels.",
    ),
    Choice(
        "-",
        "train.shard_clips",
        "public code",
        "16 clips on 8 devices: 2 a device, as Mask2Former for video. The number of instances is "
        "taken over all shards (num_masks), for the focal loss too.",
    ),
)
