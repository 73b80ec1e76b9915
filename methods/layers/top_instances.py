"""From class scores of queries to the instances of a video: the best (query, class) pairs and their masks.

Source: Mask2Former-VIS public code (specification 5: flatten, top 10, masks > 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from methods.layers.transfer import to_host
from vis_bench.masks.rle import encode_or_none
from vis_bench.method import VideoInstance
from vis_bench.types import Rle


@dataclass(frozen=True, slots=True)
class Pair:
    """One kept (query, class) pair: row of the score table, class in 0..C-1, score in 0..1."""

    query: int
    label: int
    score: float


def top_pairs(scores: Tensor, top_k: int, above: float = -1.0) -> list[Pair]:
    """The `top_k` best entries of scores [Q, C] that are larger than `above`, best first.

    The same query may appear under several classes.
    """
    classes = scores.shape[1]
    best = scores.flatten().topk(min(top_k, scores.numel()))
    indices, values = to_host(best.indices, best.values)
    return [
        Pair(index // classes, index % classes, score)
        for index, score in zip(indices.tolist(), values.tolist(), strict=True)
        if score > above
    ]


def queries_of(pairs: Sequence[Pair]) -> list[int]:
    """The queries that occur in the pairs, each once, ascending."""
    return sorted({pair.query for pair in pairs})


def pair_instances(pairs: Sequence[Pair], masks: Iterable[Tensor]) -> list[VideoInstance]:
    """The pairs as instances with run-length masks, in the order of the pairs.

    masks: per frame the masks [n, H, W] bool of `queries_of(pairs)` at the original size; consumed one frame
    at a time, so a generator keeps one frame in memory. A frame without a pixel is None.
    """
    tracks: dict[int, list[Rle | None]] = {query: [] for query in queries_of(pairs)}
    for frame in masks:
        for track, segmentation in zip(tracks.values(), encode_or_none(frame.cpu().numpy()), strict=True):
            track.append(segmentation)
    return [VideoInstance(pair.label, pair.score, tuple(tracks[pair.query])) for pair in pairs]
