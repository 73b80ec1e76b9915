"""Losses of InsPro on predictions of all stages and frames at once.

Axes: S stages, T frames, B clips, M objects (padded), N slots, C classes. Every term is summed over stages,
clips and objects, divided by the number of objects visible in that frame of the batch (at least 1) and
averaged over the frames. Source: InsPro, Eq 4 to 6; specification 6.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from methods.inspro.config import LossWeights
from methods.inspro.matching import UNASSIGNED
from methods.layers.condmask import stride4_masks
from methods.layers.losses import dice_squared, focal, giou
from methods.layers.transfer import constant, to_device, to_host
from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class Targets:
    """Objects of B clips, padded to the largest number M of objects in a clip.

    labels: [B, M] int64. boxes: [T, B, M, 4] px. visible: [T, B, M] bool, False where padded. sizes: [B, 2]
    int64, un-padded (height, width). masks: [T, B, M, H / 4, W / 4] bool on the padded frame. counts: [T]
    float, visible objects to divide the losses of each frame by, None for those that are here.
    """

    labels: Tensor
    boxes: Tensor
    visible: Tensor
    sizes: Tensor
    masks: Tensor
    counts: Tensor | None = None


def visible_objects(clips: Sequence[Clip]) -> dict[str, list[float]]:
    """Objects that a shard shows in each frame, which public code takes over all devices (`num_boxes`)."""
    return {"visible": torch.stack([clip.visible.sum(1) for clip in clips]).sum(0).tolist()}


def stack_targets(
    clips: Sequence[Clip],
    padded: tuple[int, int],
    normalisers: Mapping[str, Sequence[float]] | None = None,
) -> Targets:
    """Targets of clips with equal numbers of frames; `padded`: batch (height, width), multiples of 4.

    normalisers: as `visible_objects`, means over the shards of a step.
    """
    most = max(clip.labels.shape[0] for clip in clips)
    labels, boxes, visible, masks = [], [], [], []
    for clip in clips:
        missing = most - clip.labels.shape[0]
        height, width = clip.frames.shape[-2:]
        labels.append(F.pad(clip.labels, (0, missing)))
        boxes.append(F.pad(clip.boxes, (0, 0, 0, missing)))
        visible.append(F.pad(clip.visible, (0, missing)))
        # F.pad of torch before 2.11 refuses what stays empty
        full = clip.masks.new_zeros((clip.masks.shape[0], most, *padded))
        full[:, : clip.masks.shape[1], :height, :width] = clip.masks
        masks.append(stride4_masks(full))
    counts = None
    if normalisers is not None:
        # filled on the device: nothing has to be copied there
        counts = torch.stack([boxes[0].new_full((), number) for number in normalisers["visible"]])
    sides = [side for clip in clips for side in clip.frames.shape[-2:]]
    sizes = constant(sides, clips[0].frames.device, torch.int64).view(-1, 2)
    return Targets(
        torch.stack(labels),
        torch.stack(boxes, 1),
        torch.stack(visible, 1),
        sizes,
        torch.stack(masks, 1),
        counts,
    )


def frame_weights(targets: Targets) -> Tensor:
    """1 / (T x objects visible in frame t of the batch, or `counts` of them, at least 1): [T] float."""
    counts = targets.visible.flatten(1).sum(1) if targets.counts is None else targets.counts
    return 1.0 / (targets.visible.shape[0] * counts.clamp(min=1))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The K assigned entries of slots [S, T, B, M], stage after stage.

    indices: (stage, frame, clip, object, slot), int64 [K] each, on the device. of_stage: number of entries of
    each stage, known to the host.
    """

    indices: tuple[Tensor, ...]
    of_stage: tuple[int, ...]


def matched_pairs(slots: Tensor | Pairs, device: torch.device) -> Pairs:
    """The assigned entries of slots [S, T, B, M] int64, which may be on the host; Pairs are given back."""
    if isinstance(slots, Pairs):
        return slots
    (on_host,) = to_host(slots)
    entries = (on_host != UNASSIGNED).nonzero(as_tuple=True)
    indices = to_device(*entries, on_host[entries], device=device)
    return Pairs(tuple(indices), tuple((on_host != UNASSIGNED).flatten(1).sum(1).tolist()))


def deduplication(targets: Tensor, boxes: Tensor, unmatched: Tensor, beta: float, count: int) -> Tensor:
    """1/k sum over the k unmatched boxes of largest IoU of max(beta - C^2 / D^2, 0), per object.

    C is the distance of the centres, D the diagonal of the *object's* box, both in pixels. With fewer than k
    unmatched boxes the sum has fewer terms and the divisor stays k. Boxes without overlap can be among the k
    and can be near enough to count; equal IoU is ordered by slot. Gradient flows into unmatched boxes only.

    targets: [M, 4] px. boxes: [R, N, 4] px, R independent predictions (stages). unmatched: [R, N] bool.
    Returns [R, M]. Source: InsPro, Eq 4.
    """
    rows, slots = boxes.shape[:2]
    with torch.no_grad():
        overlap = box_iou(targets, boxes.flatten(0, 1)).view(-1, rows, slots).transpose(0, 1)
        overlap = overlap.masked_fill(~unmatched[:, None], -1.0)
        ranked, order = overlap.sort(dim=-1, descending=True, stable=True)
        order, counted = order[..., :count], ranked[..., :count] >= 0
    centres = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    goal = 0.5 * (targets[:, :2] + targets[:, 2:])
    near = centres[torch.arange(rows, device=boxes.device)[:, None, None], order]
    distance_sq = (near - goal[None, :, None]).square().sum(-1)
    diagonal_sq = (targets[:, 2:] - targets[:, :2]).square().sum(-1).clamp(min=1e-6)
    hinge = (beta - distance_sq / diagonal_sq[None, :, None]).clamp(min=0)
    return (hinge * counted).sum(-1) / count


def classification_loss(
    class_logits: Tensor, slots: Tensor | Pairs, targets: Targets, ignored: Tensor | None = None
) -> Tensor:
    """Sigmoid focal loss of every slot; slots without a visible object are background.

    class_logits: [S, T, B, N, C]. slots: [S, T, B, M], or its Pairs. ignored: [T, B, N] bool, slots left out.
    Scalar, unweighted. Source: InsPro, Eq 6 with Lin et al., Focal Loss.
    """
    stage, frame, clip, item, slot = matched_pairs(slots, class_logits.device).indices
    wanted = torch.zeros_like(class_logits)
    # a number would be uploaded
    wanted[stage, frame, clip, slot, targets.labels[clip, item]] = wanted.new_ones(())
    raw = focal(class_logits, wanted)
    if ignored is not None:
        raw = raw * ~ignored[None, ..., None]
    return (raw.sum(dim=(0, 2, 3, 4)) * frame_weights(targets)).sum()


def box_losses(boxes: Tensor, slots: Tensor | Pairs, targets: Targets) -> tuple[Tensor, Tensor]:
    """(L1 normalised by the un-padded size, GIoU) of assigned slots; scalars, unweighted.

    boxes: [S, T, B, N, 4] px. slots: [S, T, B, M], or its Pairs. Source: InsPro, Eq 5.
    """
    stage, frame, clip, item, slot = matched_pairs(slots, boxes.device).indices
    predicted, wanted = boxes[stage, frame, clip, slot], targets.boxes[frame, clip, item]
    weight = frame_weights(targets)[frame]
    scale = targets.sizes.flip(-1).repeat(1, 2)[clip].to(boxes.dtype)
    l1 = ((predicted - wanted) / scale).abs().sum(-1)
    return (l1 * weight).sum(), (giou(predicted, wanted) * weight).sum()


def deduplication_loss(
    boxes: Tensor,
    slots: Tensor | Pairs,
    targets: Targets,
    weights: LossWeights,
    filler: Tensor | None = None,
) -> Tensor:
    """Eq 4 over all objects of all frames, at every stage; scalar, unweighted.

    boxes: [S, T, B, N, 4] px. slots: [S, T, B, M], or its Pairs. filler: [T, B, N] bool, slots that do not
    exist.
    """
    stage, frame, clip, _, slot = matched_pairs(slots, boxes.device).indices
    unmatched = torch.ones(boxes.shape[:4], dtype=torch.bool, device=boxes.device)
    unmatched[stage, frame, clip, slot] = unmatched.new_zeros(())
    if filler is not None:
        unmatched &= ~filler
    per_frame = frame_weights(targets)
    total = boxes.new_zeros(())
    if targets.labels.shape[1] == 0:
        return total
    for t in range(boxes.shape[1]):
        for b in range(boxes.shape[2]):
            term = deduplication(
                targets.boxes[t, b],
                boxes[:, t, b],
                unmatched[:, t, b],
                weights.dedup_beta,
                weights.dedup_count,
            )
            # objects that are not there push nothing; to leave them out before, the host would have to wait
            total = total + (term * targets.visible[t, b]).sum() * per_frame[t]
    return total


def mask_losses(logits: Tensor, wanted: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(dice with squared denominator, focal averaged over the pixels); scalars, unweighted by Eq 6.

    logits: [K, h, w] at stride 4. wanted: [K, h, w] bool. weight: [K], `frame_weights` of each pair.
    Source: InsPro, Eq 6; specification 6.3.
    """
    wanted = wanted.to(logits.dtype)
    return (dice_squared(logits, wanted) * weight).sum(), (
        focal(logits, wanted).flatten(1).mean(1) * weight
    ).sum()
