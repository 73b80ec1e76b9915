"""Objects of a batch of frame pairs, and which query of each stage belongs to which.

Source: QueryTrack, Eq 3; specification 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.full_precision import full_precision
from methods.layers.matching import focal_class_cost, giou_cost, hungarian, l1_box_cost
from methods.layers.transfer import to_device, to_host
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
    """Targets of clips; `padded`: (height, width) of the batch. count: see Targets.

    Two transfers: who is visible, to the host, and the indices back.
    """
    entries = [visible.nonzero() for visible in to_host(*(clip.visible for clip in clips))]
    image, objects, sizes = [], [], []
    images = known = 0
    for clip, (frame, item) in zip(clips, (rows.unbind(1) for rows in entries), strict=True):
        frames, _, height, width = clip.frames.shape
        image.append(images + frame)
        objects.append(known + item)
        sizes.extend([(height, width)] * frames)
        images += frames
        known += clip.labels.shape[0]
    indices = (torch.cat(image), torch.cat(objects), torch.tensor(sizes))
    all_images, all_objects, all_sizes, *placed = to_device(*indices, *entries, device=clips[0].frames.device)
    labels, boxes, masks = [], [], []
    for clip, (frame, item) in zip(clips, (rows.unbind(1) for rows in placed), strict=True):
        height, width = clip.frames.shape[-2:]
        labels.append(clip.labels[item])
        boxes.append(clip.boxes[frame, item])
        masks.append(F.pad(clip.masks[frame, item], (0, padded[1] - width, 0, padded[0] - height)))
    return Targets(
        all_images, all_objects, torch.cat(labels), torch.cat(boxes), torch.cat(masks), all_sizes, count
    )


@dataclass(frozen=True, slots=True)
class StageMatch:
    """Who is matched at one stage, with the sizes that depend on it known to the host.

    queries: [G] int64, as in `match_queries`. entries: [K] int64, the matched targets. pairs: for each pair
    of frames with a match in its key frame the places in `entries` [n], [N] of key and reference frame.
    """

    queries: Tensor
    entries: Tensor
    pairs: tuple[tuple[Tensor, Tensor], ...]


def matched_pairs(image: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Places of the entries of the key and of the reference frame of each pair whose key frame has any.

    image: [K] int64 on the host, the image of each entry.
    """
    keys = image[image % 2 == 0].unique()
    return [((image == key).nonzero()[:, 0], (image == key + 1).nonzero()[:, 0]) for key in keys]


def stage_matches(queries: Tensor, image: Tensor, device: torch.device) -> list[StageMatch]:
    """The matches of all stages on `device`; one transfer.

    queries: [S, G] int64 and image: [G] int64, on the host.
    """
    entries = [(of_stage != UNMATCHED).nonzero()[:, 0] for of_stage in queries]
    pairs = [matched_pairs(image[of_stage]) for of_stage in entries]
    flat = [place for of_stage in pairs for pair in of_stage for place in pair]
    moved, *rest = to_device(queries, *entries, *flat, device=device)
    places = iter(rest[len(entries) :])
    return [
        StageMatch(moved[s], rest[s], tuple((next(places), next(places)) for _ in of_stage))
        for s, of_stage in enumerate(pairs)
    ]


@full_precision
@torch.no_grad()
def match_queries(class_logits: Tensor, boxes: Tensor, targets: Targets, weights: LossWeights) -> Tensor:
    """The query of every target at every stage: Hungarian matching per image and stage.

    Cost: 2 focal cost + 5 L1 (normalised by the un-padded size) - 2 GIoU; masks and embeddings take no part.
    class_logits: [S, I, N, C]. boxes: [S, I, N, 4] px. Returns [S, G] int64; -1 for objects beyond the number
    of queries. Everything is best on the host, since each of the many small costs is read there. Source:
    QueryTrack, Eq 3.
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
