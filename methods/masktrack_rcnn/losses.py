"""The losses on regions: class, box and mask of the key frame, identity across the pair.

Source: He et al., Mask R-CNN, Sec 3; Yang et al., MaskTrack R-CNN; specification 1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.box_codec import encode_deltas
from methods.layers.identity_loss import identity_loss
from methods.masktrack_rcnn.assignment import assign_boxes, sample_balanced
from methods.masktrack_rcnn.config import RoiConfig
from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class SampledRegions:
    """Regions of the key frames of B pairs that take part in the losses.

    boxes: [n, 4] px. pair: [n] int64 in 0..B-1. objects: [n] int64, row of the object in its clip, -1 for
    negatives. labels: [n] int64, 0 for background, class c as c + 1. truth: [n, 4] px, the true box of the
    object, the region itself for negatives.
    """

    boxes: Tensor
    pair: Tensor
    objects: Tensor
    labels: Tensor
    truth: Tensor

    @property
    def positive(self) -> Tensor:
        """Indices [p] int64 of the regions that have an object."""
        return (self.objects >= 0).nonzero()[:, 0]


def usable_objects(clip: Clip, frame: int) -> Tensor:
    """Rows [k] int64 of the objects that are visible and at least one pixel wide and high in a frame."""
    boxes = clip.boxes[frame]
    return (clip.visible[frame] & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)).nonzero()[:, 0]


@torch.no_grad()
def sample_regions(proposals: Sequence[Tensor], clips: Sequence[Clip], config: RoiConfig) -> SampledRegions:
    """Regions of the key frames (frame 0 of each clip) with their objects.

    proposals: B times [n, 4] px. True boxes join the proposals; a proposal belongs to the object of its
    largest IoU from `foreground_iou` on.
    """
    parts = []
    for number, (candidates, clip) in enumerate(zip(proposals, clips, strict=True)):
        rows = usable_objects(clip, 0)
        truth = clip.boxes[0, rows]
        if config.add_truth:
            candidates = torch.cat((truth, candidates))
        assigned = assign_boxes(candidates, truth, config.foreground_iou, config.foreground_iou)
        positives, negatives = sample_balanced(assigned, config.samples, config.positive_fraction)
        owner = assigned[positives]
        boxes = candidates[torch.cat((positives, negatives))]
        objects = torch.cat((rows[owner], torch.full_like(negatives, -1)))
        labels = torch.cat((clip.labels[rows[owner]] + 1, torch.zeros_like(negatives)))
        true_boxes = torch.cat((truth[owner], candidates[negatives]))
        parts.append((boxes, torch.full_like(objects, number), objects, labels, true_boxes))
    return SampledRegions(*(torch.cat(column) for column in zip(*parts, strict=True)))


def box_head_losses(
    logits: Tensor, deltas: Tensor, regions: SampledRegions, config: RoiConfig
) -> tuple[Tensor, Tensor]:
    """(softmax cross-entropy, smooth L1 of the deltas of the true class), both over the number of regions.

    logits: [n, 1 + C]. deltas: [n, 1 + C, 4]. Only positives have a box term. Both are 0 without regions.
    """
    count = max(1, len(logits))
    rows = regions.positive
    wanted = encode_deltas(regions.truth[rows], regions.boxes[rows], delta_weights(config))
    box = F.smooth_l1_loss(deltas[rows, regions.labels[rows]], wanted, beta=config.box_beta, reduction="sum")
    return F.cross_entropy(logits, regions.labels, reduction="sum") / count, box / count


def delta_weights(config: RoiConfig) -> tuple[float, float, float, float]:
    """Weights of the box coder: the inverse standard deviations of the deltas."""
    x, y, width, height = config.delta_stds
    return 1 / x, 1 / y, 1 / width, 1 / height


def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy on the channel of the true class; 0 without positives.

    logits: [p, 1 + C, R, R] of positive regions. labels: [p] int64 in 1..C. targets: [p, R, R] in 0..1.
    """
    own = logits[torch.arange(len(labels), device=labels.device), labels]
    total = F.binary_cross_entropy_with_logits(own, targets, reduction="sum")
    return total / max(1, targets.numel())


def tracking_loss(
    embeddings: Tensor,
    regions: SampledRegions,
    memory: Sequence[Tensor],
    present: Sequence[Tensor],
    new_logit: float = 0.0,
) -> Tensor:
    """The identity softmax of each pair, averaged over its positives, then over the pairs.

    embeddings: [n, D] of all sampled regions; negatives take no part. memory: B times [N, D], embeddings of
    the true boxes of the reference frame; identities of other videos are no columns. present: B times [N]
    int64, the rows of those objects in the clip. new_logit: constant logit of "new object".
    """
    terms = []
    for number, (identities, rows) in enumerate(zip(memory, present, strict=True)):
        mine = ((regions.pair == number) & (regions.objects >= 0)).nonzero()[:, 0]
        terms.append(identity_loss(embeddings[mine], regions.objects[mine], identities, rows, new_logit))
    return torch.stack(terms).mean()
