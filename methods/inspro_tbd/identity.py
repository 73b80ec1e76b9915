"""The identity loss on clips: every frame is asked which objects of its reference frame it shows.

Source: MaskTrack R-CNN public code (specification 1.2); InsPro, Table 2(d) (specification 6.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import box_iou

from methods.inspro.losses import Targets
from methods.inspro.matching import UNASSIGNED
from methods.layers.identity_loss import identity_loss
from methods.layers.transfer import to_device, to_host


def reference_frame(frame: int, frames: int) -> int:
    """The frame that `frame` is compared with: the next of the clip, the first for the last."""
    return (frame + 1) % frames


def overlap_samples(boxes: Tensor, targets: Tensor, objects: Tensor, min_iou: float) -> tuple[Tensor, Tensor]:
    """Boxes that stand for an object: predicted boxes with IoU >= `min_iou`, and the true boxes themselves.

    boxes: [N, 4] px, predicted. targets: [n, 4] px, visible objects; objects: [n] int64, their numbers. A box
    goes to the object that it overlaps most. Returns boxes [k, 4] and objects [k] int64, true boxes last.
    Source: MaskTrack R-CNN public code (positive proposals, true boxes among them).
    """
    if len(targets) == 0:
        return boxes[:0], objects
    overlap, best = box_iou(boxes, targets).max(dim=1)
    positive = overlap >= min_iou
    return torch.cat((boxes[positive], targets)), torch.cat((objects[best[positive]], objects))


def matched_samples(boxes: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
    """The box of the slot that each object is matched to: [N, 4], [M] int64 -> boxes [k, 4], objects [k]."""
    objects = (slots != UNASSIGNED).nonzero().squeeze(1)
    return boxes[slots[objects]], objects


def clip_identity_loss(
    embed: Callable[[Tensor, Tensor], Tensor],
    boxes: Tensor,
    slots: Tensor,
    targets: Targets,
    samples: Literal["overlap", "matched"],
    min_iou: float,
    dummy_logit: float = 0.0,
) -> Tensor:
    """Mean over frames and clips of the (1 + N)-way softmax loss; scalar, unweighted.

    N are the visible objects of the reference frame, embedded at their true boxes. Objects of other clips
    take no part. Background boxes are no samples. A frame without samples counts as 0.

    embed: (boxes [n, 4] px, image index [n] int64, clip * T + frame) -> embeddings [n, D]. boxes:
    [T, B, N, 4] px of the last stage. slots: [T, B, M] int64 of the last stage, may be on the host.
    """
    frames, batch = boxes.shape[:2]
    device = boxes.device
    # samples are chosen on the host, since their number depends on overlaps; no gradient reaches boxes anyway
    (slots,) = to_host(slots)
    boxes, true_boxes, visible = to_host(boxes, targets.boxes, targets.visible)
    chosen: list[Tensor] = []
    objects: list[Tensor] = []
    image: list[Tensor] = []
    everyone = torch.arange(visible.shape[2])

    def add(picked: Tensor, numbers: Tensor, t: int, b: int) -> None:
        chosen.append(picked)
        objects.append(numbers)
        image.append(torch.full_like(numbers, b * frames + t))

    for b in range(batch):
        for t in range(frames):
            seen = visible[t, b]
            true, numbers = true_boxes[t, b][seen], everyone[seen]
            if samples == "matched":
                add(*matched_samples(boxes[t, b], slots[t, b]), t, b)
            else:
                add(*overlap_samples(boxes[t, b], true, numbers, min_iou), t, b)
            add(true, numbers, t, b)
    sizes = [len(part) for part in chosen]
    where, number, of = to_device(torch.cat(chosen), torch.cat(image), torch.cat(objects), device=device)
    # one call of the head for all samples and references of the batch
    embedded, identity = embed(where, number).split(sizes), of.split(sizes)
    losses = []
    for b in range(batch):
        for t in range(frames):
            own = 2 * (b * frames + t)
            other = 2 * (b * frames + reference_frame(t, frames)) + 1
            losses.append(
                identity_loss(embedded[own], identity[own], embedded[other], identity[other], dummy_logit)
            )
    return torch.stack(losses).mean()
