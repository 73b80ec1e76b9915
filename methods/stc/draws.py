"""Which points the losses of STC are computed at: counted and drawn on the host.

The number of positive points, anchors and negatives depends on the targets. The targets go to the host in one
copy, and everything that is drawn from them comes back in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from methods.layers.transfer import to_device
from methods.stc.config import LossConfig


@dataclass(frozen=True, slots=True)
class PositivePoints:
    """The positive points of b frames: image [p] in 0..b-1, point [p] in 0..L-1, int64.

    row: [p], the object of each in the table of all objects of these frames. masked: [m], those whose mask is
    supervised.
    """

    image: Tensor
    point: Tensor
    row: Tensor
    masked: Tensor


@dataclass(frozen=True, slots=True)
class Contrast:
    """One object of the key frame: its anchors [a], its reference cells [p] and other ones [k]; int64."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


@dataclass(frozen=True, slots=True)
class Anchors:
    """The anchors of a key frame: point [a] int64.

    contrasts: of their objects. present: [n] int64, objects that have points in the reference frame, where
    identities are classified. One of the two is empty.
    """

    point: Tensor
    contrasts: tuple[Contrast, ...]
    present: Tensor


@dataclass(frozen=True, slots=True)
class PointPairs:
    """Points of one object in key and reference frame: [q] int64 each."""

    key: Tensor
    reference: Tensor


def draw_positives(points: Sequence[Tensor], objects: Sequence[int], mask_positives: int) -> PositivePoints:
    """points: b times [L], as in `FrameTargets`. objects: number of objects of each frame.

    At most half of `mask_positives` points get a mask loss (CondInst public code, specification 3.2).
    """
    stacked = torch.stack(list(points))
    image, point = (stacked >= 0).nonzero(as_tuple=True)
    first = torch.tensor([0, *objects]).cumsum(0)
    row = first[image] + stacked[image, point]
    return PositivePoints(image, point, row, torch.randperm(len(row))[: mask_positives // 2])


def draw_contrasts(objects: Tensor, cells: Tensor, config: LossConfig) -> tuple[Contrast, ...]:
    """For each of the `objects` [A] that the reference frame shows: its anchors, its cells and drawn others.

    cells: [h * w] object of each reference cell, -1 background, -2 padding.
    """
    found = []
    for number in objects.unique():
        positive = (cells == number).nonzero()[:, 0]
        if positive.numel() == 0:
            continue
        lowest = -1 if config.negatives_from == "map" else 0
        other = ((cells >= lowest) & (cells != number)).nonzero()[:, 0]
        drawn = other[torch.randperm(len(other))[: config.negatives]]
        found.append(Contrast((objects == number).nonzero()[:, 0], positive, drawn))
    return tuple(found)


def draw_anchors(mine: Tensor, points: Tensor, cells: Tensor, config: LossConfig) -> Anchors:
    """Anchors of a key frame with `mine` [L] objects, against a reference frame with `points` and `cells`."""
    point = (mine >= 0).nonzero()[:, 0]
    if config.tracking == "contrastive":
        # an object that the reference frame does not show has no positives
        point = point[torch.isin(mine[point], cells)]
    point = point[torch.randperm(len(point))[: config.anchors]]
    if config.tracking == "contrastive":
        return Anchors(point, draw_contrasts(mine[point], cells, config), point[:0])
    return Anchors(point, (), points[points >= 0].unique())


def draw_pairs(key: Tensor, reference: Tensor) -> PointPairs:
    """Each positive point of the key frame with a random one of the same object in the reference frame.

    key, reference: [L] object of each point or -1.
    """
    mine, theirs = ((points >= 0).nonzero()[:, 0] for points in (key, reference))
    same = key[mine][:, None] == reference[theirs][None]
    both = same.any(1)
    mine, same = mine[both], same[both]
    if len(mine) == 0:
        return PointPairs(mine, mine)
    return PointPairs(mine, theirs[torch.multinomial(same.float(), 1)[:, 0]])


Draw = TypeVar("Draw", PositivePoints, Contrast, Anchors, PointPairs)


def place_draws(draws: Sequence[Any], device: torch.device) -> list[Any]:
    """The same draws, of any kinds, with their indices on `device`; one copy for all."""
    moved = iter(to_device(*(part for draw in draws for part in _indices(draw)), device=device))
    return [_with_indices(draw, moved) for draw in draws]


def _indices(draw: PositivePoints | Contrast | Anchors | PointPairs) -> list[Tensor]:
    if isinstance(draw, PositivePoints):
        return [draw.image, draw.point, draw.row, draw.masked]
    if isinstance(draw, Contrast):
        return [draw.anchors, draw.positives, draw.negatives]
    if isinstance(draw, PointPairs):
        return [draw.key, draw.reference]
    return [draw.point, draw.present, *(part for one in draw.contrasts for part in _indices(one))]


def _with_indices(draw: Draw, moved: Iterator[Tensor]) -> Draw:
    if isinstance(draw, Anchors):
        point, present = next(moved), next(moved)
        return Anchors(point, tuple(_with_indices(one, moved) for one in draw.contrasts), present)
    return type(draw)(*(next(moved) for _ in _indices(draw)))
