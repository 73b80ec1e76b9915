"""One-to-one assignment of predictions to objects, and the cost terms it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import generalized_box_iou

from methods.layers.transfer import constant, to_device, to_host


@torch.no_grad()
def hungarian(cost: Tensor, allowed_rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Minimum-cost one-to-one assignment.

    cost: [Q, N] float. allowed_rows: [Q] bool, rows that may be used (None = all). Returns (rows, columns),
    int64, sorted by column, min(allowed, N) pairs. Non-finite costs raise ValueError, since they would make
    the assignment arbitrary.
    """
    on_host = to_host(cost) if allowed_rows is None else to_host(cost, allowed_rows)
    rows, columns = to_device(*_assigned(*on_host), device=cost.device)
    return rows, columns


@torch.no_grad()
def hungarian_all(costs: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """`hungarian` of many costs [Q_i, N_i]: one copy to the host and one back, however many there are."""
    if not costs:
        return []
    pairs = [_assigned(cost) for cost in to_host(*costs)]
    indices = to_device(*(index for pair in pairs for index in pair), device=costs[0].device)
    return list(zip(indices[::2], indices[1::2], strict=True))


def _assigned(cost: Tensor, allowed_rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """`hungarian` on the host."""
    if not torch.isfinite(cost).all():
        raise ValueError("matching cost is not finite; the model has diverged (lower the learning rate)")
    rows = torch.arange(cost.shape[0])
    if allowed_rows is not None:
        rows = rows[allowed_rows]
    picked, columns = (torch.from_numpy(x) for x in linear_sum_assignment(cost[rows].double().numpy()))
    order = columns.argsort()
    return rows[picked[order]], columns[order]


def focal_class_cost(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """alpha (1-p)^gamma (-log p) - (1-alpha) p^gamma (-log(1-p)) at the object's class.

    logits: [Q, C]; labels: [N] int64; returns [Q, N]. Source: specification 2.2 (QueryTrack Eq 3).
    """
    picked = logits[:, labels]
    p = picked.sigmoid()
    positive = alpha * (1 - p) ** gamma * -torch.nn.functional.logsigmoid(picked)
    negative = (1 - alpha) * p**gamma * -torch.nn.functional.logsigmoid(-picked)
    return positive - negative


def l1_box_cost(boxes: Tensor, targets: Tensor, size: tuple[int, int]) -> Tensor:
    """L1 distance of boxes normalised by the un-padded (height, width).

    boxes: [Q, 4], targets: [N, 4] in pixels (x1, y1, x2, y2); returns [Q, N]: the sum over the coordinates.
    """
    height, width = size
    scale = constant([width, height, width, height], boxes.device, boxes.dtype)
    return torch.cdist(boxes / scale, targets / scale, p=1)


def giou_cost(boxes: Tensor, targets: Tensor) -> Tensor:
    """-GIoU of all pairs: [Q, 4], [N, 4] -> [Q, N]."""
    return -generalized_box_iou(boxes, targets)
