"""Objects of a batch of frame pairs, and which query of each stage belongs to which.

Source: QueryTrack, Eq 3; specification 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.matching import focal_class_cost, giou_cost, hungarian, l1_box_cost
from methods.querytrack.config import LossWeights
from vis_bench.method import Clip

UNMATCHED = -1


@dataclass(frozen=True, slots=True)
class Targets:
    """The G objects visible in I images; an object seen in both frames of a pair has two entries.

    image: [G] int64 in 0..I-1, clip after clip, key frame before reference frame, rising. objects: [G] int64,
    equal for entries of one object and for no others. labels: [G] int64. boxes: [G, 4] px. masks: [G, H, W]
    bool on the padded image. sizes: [I, 2] int64, un-padded (height, width). count: targets to divide losses
    by, None for those that are here.
    """

    image: Tensor
    objects: Tensor
    labels: Tensor
    boxes: Tensor
    masks: Tensor
    sizes: Tensor
    count: float | None = None

    @property
    def normaliser(self) -> float:
        """What detection and mask losses are divided by: the number of targets, at least 1."""
        return max(1, len(self.image) if self.count is None else self.count)

    def of_image(self, image: int) -> Tensor:
        """Entries [g] int64 of one image."""
        return (self.image == image).nonzero().squeeze(1)


def flatten_targets(clips: Sequence[Clip], padded: tuple[int, int], count: float | None = None) -> Targets:
    """Targets of clips; `padded`: (height, width) of the batch. count: see Targets."""
    image, objects, labels, boxes, masks, sizes = [], [], [], [], [], []
    images = known = 0
    for clip in clips:
        frames, _, height, width = clip.frames.shape
        frame, item = clip.visible.nonzero(as_tuple=True)
        image.append(images + frame)
        objects.append(known + item)
        labels.append(clip.labels[item])
        boxes.append(clip.boxes[frame, item])
        masks.append(F.pad(clip.masks[frame, item], (0, padded[1] - width, 0, padded[0] - height)))
        sizes.extend([(height, width)] * frames)
        images += frames
        known += clip.labels.shape[0]
    device = clips[0].frames.device
    return Targets(
        torch.cat(image),
        torch.cat(objects),
        torch.cat(labels),
        torch.cat(boxes),
        torch.cat(masks),
        torch.tensor(sizes, device=device),
        count,
    )


@torch.no_grad()
def match_queries(class_logits: Tensor, boxes: Tensor, targets: Targets, weights: LossWeights) -> Tensor:
    """The query of every target at every stage: Hungarian matching per image and stage.

    Cost: 2 focal cost + 5 L1 (normalised by the un-padded size) - 2 GIoU; masks and embeddings take no part.
    class_logits: [S, I, N, C]. boxes: [S, I, N, 4] px. Returns [S, G] int64; -1 for objects beyond the number
    of queries. Source: QueryTrack, Eq 3.
    """
    stages, images = class_logits.shape[:2]
    queries = torch.full((stages, len(targets.image)), UNMATCHED, device=targets.image.device)
    for i in range(images):
        entries = targets.of_image(i)
        if entries.numel() == 0:
            continue
        labels, wanted = targets.labels[entries], targets.boxes[entries]
        size = (int(targets.sizes[i, 0]), int(targets.sizes[i, 1]))
        for s in range(stages):
            cost = weights.classes * focal_class_cost(class_logits[s, i], labels)
            cost = cost + weights.l1 * l1_box_cost(boxes[s, i], wanted, size)
            cost = cost + weights.giou * giou_cost(boxes[s, i], wanted)
            rows, columns = hungarian(cost)
            queries[s, entries[columns]] = rows
    return queries
