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
from methods.layers.full_precision import full_precision
from methods.layers.identity_loss import identity_loss
from methods.layers.transfer import to_device, to_host
from methods.masktrack_rcnn.assignment import assign_boxes, sample_balanced
from methods.masktrack_rcnn.config import RoiConfig
from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class SampledRegions:
    """Regions of the key frames of B pairs that take part in the losses.

    boxes: [n, 4] px. pair: [n] int64 in 0..B-1. objects: [n] int64, row of the object in its clip, -1 for
    negatives. labels: [n] int64, 0 for background, class c as c + 1. truth: [n, 4] px, the true box of the
    object, the region itself for negatives. rows: indices [p] int64 of the regions that have an object, and
    of_pair, how many of them each pair has, in order; None asks the device.
    """

    boxes: Tensor
    pair: Tensor
    objects: Tensor
    labels: Tensor
    truth: Tensor
    rows: Tensor | None = None
    of_pair: tuple[int, ...] | None = None

    @property
    def positive(self) -> Tensor:
        """Indices [p] int64 of the regions that have an object."""
        return (self.objects >= 0).nonzero()[:, 0] if self.rows is None else self.rows

    def positive_of_pairs(self, pairs: int) -> list[Tensor]:
        """`positive` of each pair of frames."""
        if self.of_pair is not None:
            return list(self.positive.split(self.of_pair))
        return [((self.pair == i) & (self.objects >= 0)).nonzero()[:, 0] for i in range(pairs)]


def usable_objects(clip: Clip, frame: int) -> Tensor:
    """Rows [k] int64 of the objects that are visible and at least one pixel wide and high in a frame."""
    return usable_rows([clip])[0][frame]


def usable_rows(clips: Sequence[Clip]) -> list[list[Tensor]]:
    """`usable_objects` of each frame of each clip: one copy to the host and one back."""
    usable = [clip.visible & (clip.boxes[..., 2:] - clip.boxes[..., :2] >= 1).all(-1) for clip in clips]
    rows = [[frame.nonzero()[:, 0] for frame in clip] for clip in to_host(*usable)]
    placed = iter(to_device(*(part for clip in rows for part in clip), device=clips[0].boxes.device))
    return [[next(placed) for _ in clip] for clip in rows]


@torch.no_grad()
def sample_regions(
    proposals: Sequence[Tensor],
    clips: Sequence[Clip],
    config: RoiConfig,
    usable: Sequence[Tensor] | None = None,
) -> SampledRegions:
    """Regions of the key frames (frame 0 of each clip) with their objects.

    proposals: B times [n, 4] px. True boxes join the proposals; a proposal belongs to the object of its
    largest IoU from `foreground_iou` on. usable: `usable_objects` of the key frames, None asks for them.
    """
    if usable is None:
        usable = [rows[0] for rows in usable_rows(clips)]
    truths = [clip.boxes[0, rows] for clip, rows in zip(clips, usable, strict=True)]
    pools = [
        torch.cat((truth, candidates)) if config.add_truth else candidates
        for truth, candidates in zip(truths, proposals, strict=True)
    ]
    owners = [
        assign_boxes(candidates, truth, config.foreground_iou, config.foreground_iou)
        for candidates, truth in zip(pools, truths, strict=True)
    ]
    samples = [
        sample_balanced(assigned, config.samples, config.positive_fraction) for assigned in to_host(*owners)
    ]
    starts = torch.tensor([0, *(len(p) + len(n) for p, n in samples)]).cumsum(0).tolist()
    positive = torch.cat(
        [start + torch.arange(len(p)) for start, (p, _) in zip(starts, samples, strict=False)]
    )
    drawn = (part for sample in samples for part in sample)
    positive, *placed = to_device(positive, *drawn, device=proposals[0].device)
    parts = []
    for number, clip in enumerate(clips):
        candidates, truth, rows = pools[number], truths[number], usable[number]
        positives, negatives = placed[2 * number : 2 * number + 2]
        owner = owners[number][positives]
        boxes = candidates[torch.cat((positives, negatives))]
        objects = torch.cat((rows[owner], torch.full_like(negatives, -1)))
        labels = torch.cat((clip.labels[rows[owner]] + 1, torch.zeros_like(negatives)))
        true_boxes = torch.cat((truth[owner], candidates[negatives]))
        parts.append((boxes, torch.full_like(objects, number), objects, labels, true_boxes))
    boxes, pair, objects, labels, true_boxes = (torch.cat(column) for column in zip(*parts, strict=True))
    of_pair = tuple(len(p) for p, _ in samples)
    return SampledRegions(boxes, pair, objects, labels, true_boxes, positive, of_pair)


@full_precision
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


@full_precision
def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy on the channel of the true class; 0 without positives.

    logits: [p, 1 + C, R, R] of positive regions. labels: [p] int64 in 1..C. targets: [p, R, R] in 0..1.
    """
    own = logits[torch.arange(len(labels), device=labels.device), labels]
    total = F.binary_cross_entropy_with_logits(own, targets, reduction="sum")
    return total / max(1, targets.numel())


@full_precision
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
    of_pairs = regions.positive_of_pairs(len(memory))
    for mine, identities, rows in zip(of_pairs, memory, present, strict=True):
        terms.append(identity_loss(embeddings[mine], regions.objects[mine], identities, rows, new_logit))
    return torch.stack(terms).mean()
