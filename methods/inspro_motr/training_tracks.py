"""Which slots of a training frame become track queries of the next, and how they are laid out.

Source: what MOTR's public code does when it runs (`match_for_single_frame`, `QueryInteractionModule`); a
comment there marks false tracks with -2, but no line sets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from methods.inspro.matching import UNASSIGNED
from methods.layers.transfer import constant

FILLER = -2


@dataclass(frozen=True, slots=True)
class TrackQueries:
    """The track queries of B clips, padded to the largest number P of a clip.

    queries: [B, P, dim]. boxes: [B, P, 4] px, detached. filler: [B, P] bool, True for no track. objects:
    [B, P] int64 on the host, the object that a track is bound to, whether it is seen or not, -1 for a false
    track, -2 for filler.
    """

    queries: Tensor
    boxes: Tensor
    filler: Tensor
    objects: Tensor


def no_tracks(batch: int, dim: int, device: torch.device | str = "cpu") -> TrackQueries:
    """The track queries before the first frame."""
    return TrackQueries(
        torch.zeros(batch, 0, dim, device=device),
        torch.zeros(batch, 0, 4, device=device),
        torch.zeros(batch, 0, dtype=torch.bool, device=device),
        torch.zeros(batch, 0, dtype=torch.int64),
    )


def bound_table(objects: Tensor, count: int, detect_queries: int) -> Tensor:
    """Slot of each of `count` objects that has a track, else -1: [count] int64.

    objects: [P] int64, as in `TrackQueries`; track p has slot `detect_queries` + p.
    """
    table = torch.full((count,), UNASSIGNED, dtype=torch.int64, device=objects.device)
    tracks = (objects >= 0).nonzero().squeeze(1)
    table[objects[tracks]] = detect_queries + tracks
    return table


def free_slots(objects: Tensor, detect_queries: int) -> Tensor:
    """Slots that a new object may take: detect queries and false tracks, [`detect_queries` + P] bool.

    objects: [P] int64, as in `TrackQueries`. A track that is bound to an object stays its own, seen or not.
    """
    detect = torch.ones(detect_queries, dtype=torch.bool, device=objects.device)
    return torch.cat((detect, objects == UNASSIGNED))


@torch.no_grad()
def next_tracks(
    boxes: Tensor,
    table: Tensor,
    visible: Tensor,
    targets: Tensor,
    filler: Tensor,
    min_iou: float,
    drop: Tensor,
    false: Tensor,
) -> tuple[Tensor, Tensor]:
    """Slots that live on in the next frame, and their objects, for one clip.

    A slot lives on if its box overlaps its object by more than `min_iou` and it is not dropped. The slot of
    an object that has vanished lives on whatever its box, which nothing can be compared with. For some of
    these, the slot without an object whose box is most like theirs is added as a false track, each once.

    boxes: [N, 4] px of the last stage. table: [M] int64, slot of each object that has one, in this frame or
    before, else -1. visible: [M] bool, objects in this frame. targets: [M, 4] px. filler: [N] bool, slots
    that are none. drop, false: [M] bool, drawn per object. Returns slots [k] and objects [k] int64, false
    tracks last with object -1.
    """
    objects = (table != UNASSIGNED).nonzero().squeeze(1)
    own = table[objects]
    overlap = box_iou(boxes[own], targets[objects]).diagonal()
    kept = ((overlap > min_iou) | ~visible[objects]) & ~drop[objects]
    alive, objects = own[kept], objects[kept]
    candidates = ~filler
    candidates[own] = False
    inactive = candidates.nonzero().squeeze(1)
    copied = alive[false[objects]]
    if len(copied) == 0 or len(inactive) == 0:
        return alive, objects
    if len(copied) >= len(inactive):
        extra = inactive
    else:
        extra = inactive[box_iou(boxes[inactive], boxes[copied]).argmax(dim=0).unique()]
    return torch.cat((alive, extra)), torch.cat((objects, torch.full_like(extra, UNASSIGNED)))


def gather_tracks(
    values: Tensor, slots: Sequence[Tensor], fill: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rows `slots[b]` of values [B, N, ...], padded: ([B, P, ...], filler [B, P] bool).

    fill: [B, ...] what stands in filler rows, zeros for None.
    """
    longest = max(len(chosen) for chosen in slots)
    shape = (len(slots), longest, *values.shape[2:])
    rows = []
    for b, chosen in enumerate(slots):
        missing = longest - len(chosen)
        blank = values.new_zeros(shape[2:]) if fill is None else fill[b]
        rows.append(torch.cat((values[b, chosen], blank.expand(missing, *shape[2:]))))
    lengths = constant([len(chosen) for chosen in slots], values.device, torch.int64)
    filler = torch.arange(longest, device=values.device)[None] >= lengths[:, None]
    return torch.stack(rows), filler
