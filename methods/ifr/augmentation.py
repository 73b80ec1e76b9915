"""Test-time augmentation: one video at several sizes, matched to a pivot and averaged.

Source: IFR Section 3.2 (test time augmentation) and 4.2 (four resolutions); specification 4.4.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.ifr.config import IfrConfig, LossConfig
from methods.ifr.decoder import RecurrentOutput
from methods.layers.images import logits_to_original
from methods.layers.matching import hungarian
from methods.layers.points import sample_points
from methods.layers.top_instances import pair_instances, queries_of, top_pairs
from methods.layers.video_features import (
    FrameFeatures,
    FrameSizes,
    VideoFeatures,
    features_in_passes,
    join_features,
)
from vis_bench.method import VideoInstance


@dataclass(frozen=True, slots=True)
class Result:
    """What one size says about a video.

    probabilities: [Q, C] in 0..1. embeddings: [T, Q, m], mask_features: [m, h, w] of each frame; frame t's
    masks are their product. order: [Q] int64, the slot of this result that belongs to each slot of the pivot.
    """

    probabilities: Tensor
    embeddings: Tensor
    mask_features: Sequence[Tensor]
    sizes: FrameSizes
    order: Tensor

    def logits(self, frame: int, slots: Tensor | slice = slice(None)) -> Tensor:
        """Mask logits of one frame on the padded input at stride 4, [n, h, w]."""
        queries = self.embeddings[frame][slots]
        return torch.einsum("qm,mhw->qhw", queries, self.mask_features[frame].to(queries.dtype))


def pivot_index(count: int, seed: int, video_id: int) -> int:
    """Which of `count` results is the pivot of a video: random, the same in every run."""
    return random.Random(f"{seed}/{video_id}").randrange(count)


def common_points(sizes: FrameSizes, rows: int, columns: int) -> Tensor:
    """Centres of rows x columns cells over the frame without its padding, [1, rows * columns, 2].

    As fractions (x, y) of the padded input, so that results of several sizes can be read at the same places.
    """
    y = (torch.arange(rows) + 0.5) / rows * (sizes.resized[0] / sizes.padded[0])
    x = (torch.arange(columns) + 0.5) / columns * (sizes.resized[1] / sizes.padded[1])
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((grid_x, grid_y), dim=-1).reshape(1, -1, 2)


def pivot_cost(
    probabilities: Tensor, labels: Tensor, frames: Iterator[tuple[Tensor, Tensor]], config: LossConfig
) -> Tensor:
    """Eq 4 with the pivot's classes and binarised masks as the truth, [Q, N].

    probabilities: [Q, C]; labels: [N] classes of the pivot's slots. frames: per frame the mask logits [Q, P]
    and the pivot's masks [N, P] of 0 and 1 at the same points. BCE and DICE are made of sums over points,
    which are added up frame by frame, so that memory does not grow with the length of the video.
    """
    shape = (len(probabilities), len(labels))
    entropy, overlap = probabilities.new_zeros(shape), probabilities.new_zeros(shape)
    own, wanted, points = entropy.new_zeros(shape[0]), entropy.new_zeros(shape[1]), 0
    for logits, masks in frames:
        x = logits.sigmoid()
        entropy += F.softplus(logits).sum(1, keepdim=True) - logits @ masks.t()
        overlap += x @ masks.t()
        own, wanted, points = own + x.sum(1), wanted + masks.sum(1), points + logits.shape[1]
    dice = 1 - (2 * overlap + 1) / (own[:, None] + wanted[None] + 1)
    return (
        -config.class_weight * probabilities[:, labels]
        + config.bce_weight * entropy / max(1, points)
        + config.dice_weight * dice
    )


def matched_order(pivot: Result, other: Result, config: LossConfig) -> Tensor:
    """The slot of `other` for each slot of the pivot, [Q] int64; all slots take part."""
    rows, columns = pivot.mask_features[0].shape[-2:]
    device = pivot.probabilities.device
    places = [common_points(result.sizes, rows, columns).to(device) for result in (other, pivot)]

    def frames() -> Iterator[tuple[Tensor, Tensor]]:
        for t in range(len(pivot.embeddings)):
            drawn, truth = (
                sample_points(result.logits(t)[None], where)[0]
                for result, where in zip((other, pivot), places, strict=True)
            )
            yield drawn, (truth > 0).to(drawn.dtype)

    cost = pivot_cost(other.probabilities, pivot.probabilities.argmax(1), frames(), config)
    return hungarian(cost)[0]


def merged_instances(results: Sequence[Result], top_k: int) -> list[VideoInstance]:
    """The best (slot, class) pairs of the averaged class probabilities, with averaged mask probabilities.

    Masks are averaged at the original size, one frame at a time, and cut at a probability of 0.5.
    """
    scores = torch.stack([result.probabilities[result.order] for result in results]).mean(0)
    pairs = top_pairs(scores, top_k)
    slots = torch.as_tensor(queries_of(pairs), device=scores.device)

    def masks() -> Iterator[Tensor]:
        for t in range(len(results[0].embeddings)):
            total = torch.stack(
                [
                    logits_to_original(
                        result.logits(t, result.order[slots]),
                        result.sizes.padded,
                        result.sizes.resized,
                        result.sizes.original,
                    ).sigmoid()
                    for result in results
                ]
            )
            yield total.mean(0) > 0.5

    return pair_instances(pairs, masks())


def track_augmented(
    frames: Sequence[Tensor],
    video_id: int,
    frame_features: FrameFeatures,
    decode: Callable[[VideoFeatures], RecurrentOutput],
    config: IfrConfig,
) -> list[VideoInstance]:
    """Tracks of one video from its results at all of `inference.tta_scales`.

    frames: [3, H, W] uint8. Keeps the mask features of every size until the masks are written.
    """
    inference = config.inference
    base = config.test_short_side or min(frames[0].shape[-2:])
    results = []
    for scale in inference.tta_scales:
        parts = features_in_passes(
            iter(frames),
            frame_features,
            round(base * scale),
            round(config.test_max_long_side * scale),
            config.frames_per_pass,
            half=config.low_memory,
        )
        features = join_features(list(parts))
        output = decode(features)
        slots = torch.arange(output.class_logits.shape[1], device=output.class_logits.device)
        results.append(
            Result(
                output.class_logits[0].sigmoid(),
                output.mask_embeddings[0],
                features.mask_features,
                features.sizes,
                slots,
            )
        )
    pivot = results[pivot_index(len(results), inference.tta_seed, video_id)]
    matched = [
        result if result is pivot else replace(result, order=matched_order(pivot, result, config.loss))
        for result in results
    ]
    return merged_instances(matched, config.top_k)
