"""Temporally consistent matching: an object keeps the slot that it got when it appeared.

Source: InsPro, Sec 3.3 and Eq 3; specification 6.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.inspro.config import LossWeights
from methods.layers.matching import focal_class_cost, giou_cost, hungarian, l1_box_cost

UNASSIGNED = -1


@dataclass(frozen=True, slots=True)
class FrameMatch:
    """The assignment of one frame of one clip with M objects.

    slots: [S, M] int64, slot of each object at each of S stages, -1 where the object is not visible or found
    no slot. table: [M] int64, slot of each object seen so far, -1 for none; the input of the next frame.
    """

    slots: Tensor
    table: Tensor


def empty_table(objects: int, device: torch.device | str = "cpu") -> Tensor:
    """The table before the first frame: no object has a slot."""
    return torch.full((objects,), UNASSIGNED, dtype=torch.int64, device=device)


def empty_tables(labels: Tensor) -> list[Tensor]:
    """One empty table for each of B clips of objects with `labels` [B, M]."""
    return [empty_table(labels.shape[1], labels.device) for _ in range(labels.shape[0])]


def matching_cost(
    class_logits: Tensor,
    boxes: Tensor,
    labels: Tensor,
    target_boxes: Tensor,
    size: tuple[int, int],
    weights: LossWeights,
) -> Tensor:
    """2 focal cost + 5 L1 - 2 GIoU between slots and objects at every stage; masks take no part.

    class_logits: [S, N, C]. boxes: [S, N, 4] px. labels: [M] int64. target_boxes: [M, 4] px. size: un-padded
    (height, width), which normalises the L1 term. Returns [S, N, M]. Source: InsPro, Eq 3.
    """
    stages, slots = class_logits.shape[:2]
    flat_logits, flat_boxes = class_logits.flatten(0, 1), boxes.flatten(0, 1)
    cost = weights.classes * focal_class_cost(flat_logits, labels)
    cost = cost + weights.l1 * l1_box_cost(flat_boxes, target_boxes, size)
    cost = cost + weights.giou * giou_cost(flat_boxes, target_boxes)
    return cost.view(stages, slots, -1)


@torch.no_grad()
def match_frame(
    table: Tensor,
    visible: Tensor,
    class_logits: Tensor,
    boxes: Tensor,
    labels: Tensor,
    target_boxes: Tensor,
    size: tuple[int, int],
    weights: LossWeights,
    share_stages: bool = False,
    allowed: Tensor | None = None,
) -> FrameMatch:
    """Match one frame, keeping what the table says.

    A visible object in the table keeps its slot at all stages and costs nothing to match. An object that
    enters is matched to slots outside the table, so the slot of a vanished object stays reserved. The last
    stage decides the table; earlier stages match entering objects on their own among the same free slots, or
    copy the last stage with `share_stages`. Objects beyond the number of free slots stay unassigned and are
    tried again in the next frame. allowed: [N] bool, slots that entering objects may take (None = all).

    table: [M] int64. visible: [M] bool. Others as in `matching_cost`. An empty table in every frame gives the
    image-style matching of baselines A and B. Source: InsPro, Sec 3.3; specification 6.2.
    """
    stages, slots = class_logits.shape[:2]
    known = visible & (table != UNASSIGNED)
    assigned = torch.where(known, table, torch.full_like(table, UNASSIGNED)).repeat(stages, 1)
    entering = (visible & (table == UNASSIGNED)).nonzero().squeeze(1)
    if entering.numel() == 0:
        return FrameMatch(assigned, table)
    free = torch.ones(slots, dtype=torch.bool, device=table.device) if allowed is None else allowed.clone()
    free[table[table != UNASSIGNED]] = False
    last = slice(stages - 1, stages) if share_stages else slice(None)
    cost = matching_cost(
        class_logits[last], boxes[last], labels[entering], target_boxes[entering], size, weights
    )
    rows, columns = hungarian(cost[-1], free)
    table = table.clone()
    table[entering[columns]] = rows
    assigned[:, entering[columns]] = rows
    for stage in range(0 if share_stages else stages - 1):
        rows, columns = hungarian(cost[stage], free)
        assigned[stage, entering] = UNASSIGNED
        assigned[stage, entering[columns]] = rows
    return FrameMatch(assigned, table)


def reserved_slots(table: Tensor, visible: Tensor, slots: int) -> Tensor:
    """Slots [slots] bool whose object is in the table but not visible in this frame."""
    reserved = torch.zeros(slots, dtype=torch.bool, device=table.device)
    reserved[table[(table != UNASSIGNED) & ~visible]] = True
    return reserved
