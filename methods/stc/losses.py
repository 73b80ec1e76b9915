"""The losses of STC: those of CondInst on both frames, contrast between the frames, equal kernels.

Source: STC Section 3.3 to 3.5, Eq 3 to 7 (specification 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.layers.condmask import aligned_upsample, dynamic_mask_logits, stride4_masks
from methods.layers.fcos import (
    Grid,
    assign_points,
    centreness,
    decode_boxes,
    encode_boxes,
    level_points,
    make_grid,
    mask_centroids,
    object_at_points,
)
from methods.layers.identity_loss import identity_loss
from methods.layers.losses import dice_squared, focal, giou
from methods.stc.config import LossConfig, StcConfig
from methods.stc.inference import MASK_STRIDE, box_centres, read_embeddings
from methods.stc.outputs import StcOutputs
from vis_bench.method import Clip


@dataclass(frozen=True, slots=True)
class FrameTargets:
    """What the truth asks of one frame; objects are numbered by their row in the clip.

    points: [L] int64, object that each point is responsible for, -1 background. cells: [h * w] int64, object
    of each cell of the tracking map, -1 background, -2 padding. labels: [N] int64. boxes: [N, 4] pixels.
    masks: [N, H/4, W/4] bool, sampled at stride 4 and padded.
    """

    points: Tensor
    cells: Tensor
    labels: Tensor
    boxes: Tensor
    masks: Tensor


def level_ranges(config: StcConfig) -> list[tuple[float, float]]:
    """Bounds of max(l, t, r, b) per level in pixels: the first starts at -1, the last has no end."""
    bounds = [-1.0, *map(float, config.level_sizes), float("inf")]
    return list(pairwise(bounds))


def frame_targets(
    clip: Clip, frame: int, grid: Grid, map_size: tuple[int, int], config: StcConfig
) -> FrameTargets:
    """Targets of frame 0 or 1 of a clip; objects that are absent or thinner than a pixel there take no part.

    map_size: (rows, columns) of the tracking map at stride 8.
    """
    boxes, masks = clip.boxes[frame], clip.masks[frame]
    height, width = masks.shape[-2:]
    rows, assigned = _assigned(clip, frame, grid, config)
    cells = level_points(*map_size, MASK_STRIDE, boxes.device)
    of_cells = _renumber(object_at_points(cells, boxes[rows]), rows)
    of_cells[(cells[:, 0] >= width) | (cells[:, 1] >= height)] = -2
    small = stride4_masks(masks)
    twice = (2 * map_size[0], 2 * map_size[1])
    small = F.pad(small, (0, twice[1] - small.shape[-1], 0, twice[0] - small.shape[-2]))
    return FrameTargets(_renumber(assigned, rows), of_cells, clip.labels, boxes, small)


def _assigned(clip: Clip, frame: int, grid: Grid, config: StcConfig) -> tuple[Tensor, Tensor]:
    """Rows [n] of the objects that take part, and for each point its object among them or -1."""
    boxes = clip.boxes[frame]
    usable = clip.visible[frame] & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
    rows = usable.nonzero()[:, 0]
    centroids = mask_centroids(clip.masks[frame][rows])
    return rows, assign_points(grid, boxes[rows], centroids, level_ranges(config), config.centre_radius)


def _renumber(index: Tensor, rows: Tensor) -> Tensor:
    """Positions in `rows` -> values of `rows`; negative entries stay."""
    if rows.numel() == 0:
        return index
    return torch.where(index >= 0, rows[index.clamp(min=0)], index)


def stc_normalisers(
    clips: Sequence[Clip], sizes: Sequence[tuple[int, int]], strides: Sequence[int], config: StcConfig
) -> dict[str, list[float]]:
    """Positive points and their centre-ness in the key and in the reference frames of a shard.

    sizes: (rows, columns) of each level of the padded batch. Public code takes both over all devices
    (`num_pos`, `loss_denorm`).
    """
    grid = make_grid(sizes, strides)
    positives, centre = [0.0, 0.0], [0.0, 0.0]
    for clip in clips:
        for frame in (0, 1):
            rows, assigned = _assigned(clip, frame, grid, config)
            point = (assigned >= 0).nonzero()[:, 0]
            ltrb = encode_boxes(grid.points[point], clip.boxes[frame][rows][assigned[point]])
            positives[frame] += len(point)
            centre[frame] += float(centreness(ltrb).sum())
    return {"positives": positives, "centreness": centre}


def stc_losses(
    out: StcOutputs,
    clips: Sequence[Clip],
    config: StcConfig,
    normalisers: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Tensor]:
    """Weighted terms of Eq 7 for images ordered clip after clip, key frame before reference frame.

    The terms of CondInst are computed for all key and for all reference frames and averaged. normalisers: as
    `stc_normalisers`, means over the shards of a step.
    """
    map_size = (out.embedding.shape[-2], out.embedding.shape[-1])
    targets = [[frame_targets(clip, frame, out.grid, map_size, config) for frame in (0, 1)] for clip in clips]
    terms: dict[str, Tensor] = {}
    for frame in (0, 1):
        images = torch.arange(frame, 2 * len(clips), 2, device=out.ltrb.device)
        of_frame = [pair[frame] for pair in targets]
        counts = None
        if normalisers is not None:
            counts = normalisers["positives"][frame], normalisers["centreness"][frame]
        for name, value in detection_losses(out, images, of_frame, config, counts).items():
            terms[name] = terms.get(name, 0) + 0.5 * value
    pairs = range(len(clips))
    loss = config.loss
    tracking = torch.stack([_tracking(out, 2 * i, targets[i], loss) for i in pairs]).mean()
    terms["tracking"] = loss.tracking_weight * tracking
    if loss.consistency:
        kernels = [(out.kernels[2 * i], out.kernels[2 * i + 1]) for i in pairs]
        points = [(key.points, reference.points) for key, reference in targets]
        values = [consistency_loss(*kernels[i], *points[i], loss.consistency_reduce) for i in pairs]
        terms["consistency"] = loss.consistency_weight * torch.stack(values).mean()
    return terms


def detection_losses(
    out: StcOutputs,
    images: Tensor,
    targets: Sequence[FrameTargets],
    config: StcConfig,
    shared: tuple[float, float] | None = None,
) -> dict[str, Tensor]:
    """Focal, centre-ness-weighted GIoU, centre-ness and dice of the images with numbers `images` [b] int64.

    Normalisers: number of positive points; the GIoU by the sum of its weights; dice is the mean over at most
    half of `mask_positives` random positive points. shared: points and sum of weights to divide by in place
    of those of these images; the mean of the masks stays theirs. Without a positive point all but focal is 0.
    Source: CondInst public code (specification 3.2).
    """
    points = torch.stack([target.points for target in targets])
    image, point = (points >= 0).nonzero(as_tuple=True)
    # one table of all objects of these frames, so that each positive point finds its own
    counts = torch.tensor([0] + [len(target.labels) for target in targets], device=images.device)
    row = counts.cumsum(0)[image] + points[image, point]
    labels = torch.cat([target.labels for target in targets])[row]
    boxes = torch.cat([target.boxes for target in targets])[row]
    positives = max(1, len(row) if shared is None else shared[0])

    class_targets = torch.zeros_like(out.class_logits[images])
    class_targets[image, point, labels] = 1
    at = out.grid.points[point]
    true_ltrb = encode_boxes(at, boxes)
    weight = centreness(true_ltrb)
    source = images[image]
    predicted = decode_boxes(at, out.ltrb[source, point])
    total = weight.sum() if shared is None else shared[1]
    centre = F.binary_cross_entropy_with_logits(out.centre_logits[source, point], weight, reduction="sum")

    chosen = torch.randperm(len(row), device=row.device)[: config.loss.mask_positives // 2]
    scales = out.grid.points.new_tensor(config.coordinate_scales)
    logits = dynamic_mask_logits(
        out.mask_feature,
        out.kernels[source[chosen], point[chosen]],
        source[chosen],
        at[chosen],
        scales[out.grid.levels[point[chosen]]],
        stride=MASK_STRIDE,
        coordinates=config.coordinates,
        hidden=config.dynamic_hidden,
    )
    masks = torch.cat([target.masks for target in targets])[row[chosen]]
    dice = dice_squared(aligned_upsample(logits, 2), masks)
    return {
        "class": focal(out.class_logits[images], class_targets).sum() / positives,
        "box": (giou(predicted, boxes) * weight).sum() / _at_least(total),
        "centreness": centre / positives,
        # a sum over nothing keeps the graph, a mean of nothing would be NaN
        "dice": dice.sum() / max(1, len(chosen)),
    }


def _at_least(value: Tensor | float) -> Tensor | float:
    """A sum of centre-ness weights that can be divided by."""
    return value.clamp(min=1e-6) if isinstance(value, Tensor) else max(value, 1e-6)


def contrastive_terms(anchors: Tensor, positives: Tensor, negatives: Tensor, reduce: str = "mean") -> Tensor:
    """Eq 3 for the anchors of one object: [A, D], [P, D], [K, D] -> [A].

    One term per positive, each against the negatives only: log(1 + sum exp(q.k- - q.k+)), then the mean or
    the sum over the positives. Raw dot products. K = 0 gives 0.
    """
    against = torch.logsumexp(anchors @ negatives.T, dim=1, keepdim=True)
    terms = F.softplus(against - anchors @ positives.T)
    return terms.mean(1) if reduce == "mean" else terms.sum(1)


def contrastive_loss(
    anchors: Tensor, objects: Tensor, reference: Tensor, cells: Tensor, config: LossConfig
) -> Tensor:
    """Eq 4: mean of Eq 3 over the anchors of a key frame whose object is in the reference frame.

    anchors: [A, D], embeddings at predicted box centres. objects: [A] int64, their objects. reference:
    [D, h, w]. cells: [h * w] object of each reference cell, -1 background, -2 padding. Returns a scalar, 0
    (with gradient) without such anchors.
    """
    flat = reference.flatten(1).T
    values = []
    for number in objects.unique():
        positive = (cells == number).nonzero()[:, 0]
        if positive.numel() == 0:
            continue
        lowest = -1 if config.negatives_from == "map" else 0
        other = ((cells >= lowest) & (cells != number)).nonzero()[:, 0]
        drawn = other[torch.randperm(len(other), device=other.device)[: config.negatives]]
        queries = anchors[objects == number]
        values.append(contrastive_terms(queries, flat[positive], flat[drawn], config.contra_pos_reduce))
    if not values:
        return anchors[:0].sum() + flat[:0].sum()
    return torch.cat(values).mean()


def consistency_loss(
    key: Tensor, reference: Tensor, key_points: Tensor, reference_points: Tensor, reduce: str = "mean"
) -> Tensor:
    """Eq 6: squared distance of the filter vectors of one object in two frames, mean over pairs.

    key, reference: [L, K] filter vectors. key_points, reference_points: [L] object of each point or -1. Each
    positive point of the key frame is paired with one random positive point of the same object in the
    reference frame. reduce: over the K entries. 0 without pairs; gradients flow into both frames.
    """
    mine = (key_points >= 0).nonzero()[:, 0]
    theirs = (reference_points >= 0).nonzero()[:, 0]
    same = key_points[mine][:, None] == reference_points[theirs][None]
    both = same.any(1)
    mine, same = mine[both], same[both]
    if len(mine) == 0:
        return key[:0].sum() + reference[:0].sum()
    partner = theirs[torch.multinomial(same.to(key.dtype), 1)[:, 0]]
    squared = (key[mine] - reference[partner]).square()
    return squared.mean() if reduce == "mean" else squared.sum(1).mean()


def _tracking(out: StcOutputs, key: int, targets: Sequence[FrameTargets], config: LossConfig) -> Tensor:
    """Eq 5 for the pair of images (key, key + 1): both directions averaged, or key to reference only."""
    forward = _one_way(out, key, key + 1, targets[0], targets[1], config)
    if not config.bidirectional:
        return forward
    return 0.5 * (forward + _one_way(out, key + 1, key, targets[1], targets[0], config))


def _one_way(
    out: StcOutputs, key: int, reference: int, mine: FrameTargets, other: FrameTargets, config: LossConfig
) -> Tensor:
    point = (mine.points >= 0).nonzero()[:, 0]
    if config.tracking == "contrastive":
        # an object that the reference frame does not show has no positives
        point = point[torch.isin(mine.points[point], other.cells)]
    point = point[torch.randperm(len(point), device=point.device)[: config.anchors]]
    boxes = decode_boxes(out.grid.points[point], out.ltrb[key, point].detach())
    anchors = read_embeddings(out.embedding[key], box_centres(boxes), config.anchor_reading)
    objects = mine.points[point]
    if config.tracking == "contrastive":
        return contrastive_loss(anchors, objects, out.embedding[reference], other.cells, config)
    present = other.points[other.points >= 0].unique()
    centres = box_centres(other.boxes[present])
    memory = read_embeddings(out.embedding[reference], centres, config.anchor_reading)
    return identity_loss(anchors, objects, memory, present)
