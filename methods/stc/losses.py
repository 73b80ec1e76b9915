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
from methods.layers.full_precision import full_precision
from methods.layers.identity_loss import identity_loss
from methods.layers.losses import dice_squared, focal, giou
from methods.layers.transfer import constant, to_host
from methods.stc.config import LossConfig, StcConfig
from methods.stc.draws import (
    Anchors,
    Contrast,
    PointPairs,
    PositivePoints,
    draw_anchors,
    draw_contrasts,
    draw_pairs,
    draw_positives,
    place_draws,
)
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
    """Targets of a frame of a clip; objects that are absent or thinner than a pixel there take no part.

    map_size: (rows, columns) of the tracking map at stride 8.
    """
    boxes, masks = clip.boxes[frame], clip.masks[frame]
    height, width = masks.shape[-2:]
    usable, assigned = _assigned(clip, frame, grid, config)
    cells = level_points(*map_size, MASK_STRIDE, boxes.device)
    padding = (cells[:, 0] >= width) | (cells[:, 1] >= height)
    of_cells = object_at_points(cells, boxes, usable).masked_fill(padding, -2)
    small = stride4_masks(masks)
    twice = (2 * map_size[0], 2 * map_size[1])
    small = F.pad(small, (0, twice[1] - small.shape[-1], 0, twice[0] - small.shape[-2]))
    return FrameTargets(assigned, of_cells, clip.labels, boxes, small)


def _assigned(clip: Clip, frame: int, grid: Grid, config: StcConfig) -> tuple[Tensor, Tensor]:
    """Objects [N] bool that take part, and for each point [L] its object or -1."""
    boxes, centres = clip.boxes[frame], mask_centroids(clip.masks[frame])
    usable = clip.visible[frame] & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
    ranges = level_ranges(config)
    return usable, assign_points(grid, boxes, centres, ranges, config.centre_radius, usable)


def stc_normalisers(
    clips: Sequence[Clip], sizes: Sequence[tuple[int, int]], strides: Sequence[int], config: StcConfig
) -> dict[str, list[float]]:
    """Positive points and their centre-ness in the key and in the reference frames of a shard.

    sizes: (rows, columns) of each level of the padded batch. Public code takes both over all devices
    (`num_pos`, `loss_denorm`).
    """
    grid = make_grid(sizes, strides)
    length = clips[0].frames.shape[0]
    positives, centre = [0.0] * length, [0.0] * length
    for clip in clips:
        for frame in range(length):
            assigned = _assigned(clip, frame, grid, config)[1]
            point = (assigned >= 0).nonzero()[:, 0]
            ltrb = encode_boxes(grid.points[point], clip.boxes[frame][assigned[point]])
            positives[frame] += len(point)
            centre[frame] += float(centreness(ltrb).sum())
    return {"positives": positives, "centreness": centre}


@full_precision
def stc_losses(
    out: StcOutputs,
    clips: Sequence[Clip],
    config: StcConfig,
    normalisers: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Tensor]:
    """Weighted terms of Eq 7 for images ordered clip after clip, key frame before reference frame.

    The terms of CondInst are computed for all key and for all reference frames and averaged. Terms of weight
    0 are missing; without any that joins two frames, clips may have one. normalisers: as `stc_normalisers`,
    means over the shards of a step.
    """
    map_size = (out.embedding.shape[-2], out.embedding.shape[-1])
    length = clips[0].frames.shape[0]
    frames = range(length)
    targets = [[frame_targets(clip, frame, out.grid, map_size, config) for frame in frames] for clip in clips]
    positives, anchors, same = draw_points(targets, config.loss, out.ltrb.device)
    terms: dict[str, Tensor] = {}
    for frame in frames:
        images = torch.arange(frame, length * len(clips), length, device=out.ltrb.device)
        own, shared = [pair[frame] for pair in targets], None
        if normalisers is not None:
            shared = normalisers["positives"][frame], normalisers["centreness"][frame]
        for name, value in detection_losses(out, images, own, config, positives[frame], shared).items():
            terms[name] = terms.get(name, 0) + value / length
    pairs = range(len(clips))
    loss = config.loss
    if loss.tracking_weight > 0:
        tracking = torch.stack([_tracking(out, 2 * i, targets[i], anchors[i], loss) for i in pairs]).mean()
        terms["tracking"] = loss.tracking_weight * tracking
    if loss.consistency:
        values = [
            _kernel_distance(out.kernels[2 * i], out.kernels[2 * i + 1], same[i], loss.consistency_reduce)
            for i in pairs
        ]
        terms["consistency"] = loss.consistency_weight * torch.stack(values).mean()
    return terms


def draw_points(
    targets: Sequence[Sequence[FrameTargets]], config: LossConfig, device: torch.device
) -> tuple[list[PositivePoints], list[list[Anchors]], list[PointPairs]]:
    """What the losses of pairs of frames are computed at: one copy to the host, one back.

    targets: of key and reference frame of each pair, or of one frame where no term joins two. Returns the
    positive points of all key and of all reference frames, per pair the anchors of each direction, and per
    pair the points of equal objects.
    """
    on_host = to_host(*(part for pair in targets for frame in pair for part in (frame.points, frame.cells)))
    points, cells = on_host[::2], on_host[1::2]
    length, counts = len(targets[0]), [len(pair[0].labels) for pair in targets]
    draws: list = [
        draw_positives(points[frame::length], counts, config.mask_positives) for frame in range(length)
    ]
    directions = (
        (((0, 1), (1, 0)) if config.bidirectional else ((0, 1),)) if config.tracking_weight > 0 else ()
    )
    for i in range(len(targets)):
        for key, other in directions:
            mine, theirs = 2 * i + key, 2 * i + other
            draws.append(draw_anchors(points[mine], points[theirs], cells[theirs], config))
    if config.consistency:
        draws += [draw_pairs(points[2 * i], points[2 * i + 1]) for i in range(len(targets))]
    placed = place_draws(draws, device)
    step, last = len(directions), length + len(directions) * len(targets)
    anchors = [placed[length + i * step : length + (i + 1) * step] for i in range(len(targets))]
    return placed[:length], anchors, placed[last:]


def detection_losses(
    out: StcOutputs,
    images: Tensor,
    targets: Sequence[FrameTargets],
    config: StcConfig,
    drawn: PositivePoints | None = None,
    shared: tuple[float, float] | None = None,
) -> dict[str, Tensor]:
    """Focal, centre-ness-weighted GIoU, centre-ness and dice of the images with numbers `images` [b] int64.

    Normalisers: number of positive points; the GIoU by the sum of its weights; dice is the mean over at most
    half of `mask_positives` random positive points. Without a positive point all but focal are 0. drawn: the
    positive points of these frames, None draws them. shared: points and sum of weights to divide by in place
    of those of these images; the mean of the masks stays theirs.
    Source: CondInst public code (specification 3.2).
    """
    if drawn is None:
        points, counts = [target.points for target in targets], [len(target.labels) for target in targets]
        positive = draw_positives(to_host(*points), counts, config.loss.mask_positives)
        (drawn,) = place_draws([positive], images.device)
    image, point, row, chosen = drawn.image, drawn.point, drawn.row, drawn.masked
    # one table of all objects of these frames, so that each positive point finds its own
    labels = torch.cat([target.labels for target in targets])[row]
    boxes = torch.cat([target.boxes for target in targets])[row]
    positives = max(1, len(row) if shared is None else shared[0])

    class_targets = torch.zeros_like(out.class_logits[images])
    class_targets[image, point, labels] = class_targets.new_ones(())  # a number would be uploaded
    at = out.grid.points[point]
    true_ltrb = encode_boxes(at, boxes)
    weight = centreness(true_ltrb)
    source = images[image]
    predicted = decode_boxes(at, out.ltrb[source, point])
    total = weight.sum() if shared is None else shared[1]
    centre = F.binary_cross_entropy_with_logits(out.centre_logits[source, point], weight, reduction="sum")

    scales = constant(config.coordinate_scales, out.grid.points.device, out.grid.points.dtype)
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
    of_anchors, of_cells = to_host(objects, cells)
    contrasts = place_draws(draw_contrasts(of_anchors, of_cells, config), anchors.device)
    return _contrast(anchors, reference, contrasts, config)


def _contrast(
    anchors: Tensor, reference: Tensor, contrasts: Sequence[Contrast], config: LossConfig
) -> Tensor:
    """`contrastive_loss` of drawn cells."""
    flat = reference.flatten(1).T
    values = [
        contrastive_terms(
            anchors[drawn.anchors], flat[drawn.positives], flat[drawn.negatives], config.contra_pos_reduce
        )
        for drawn in contrasts
    ]
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
    (pairs,) = place_draws([draw_pairs(*to_host(key_points, reference_points))], key.device)
    return _kernel_distance(key, reference, pairs, reduce)


def _kernel_distance(key: Tensor, reference: Tensor, pairs: PointPairs, reduce: str) -> Tensor:
    """`consistency_loss` of drawn pairs."""
    if len(pairs.key) == 0:
        return key[:0].sum() + reference[:0].sum()
    squared = (key[pairs.key] - reference[pairs.reference]).square()
    return squared.mean() if reduce == "mean" else squared.sum(1).mean()


def _tracking(
    out: StcOutputs,
    key: int,
    targets: Sequence[FrameTargets],
    anchors: Sequence[Anchors],
    config: LossConfig,
) -> Tensor:
    """Eq 5 for the pair of images (key, key + 1): both directions averaged, or key to reference only."""
    forward = _one_way(out, key, key + 1, targets[0], targets[1], anchors[0], config)
    if not config.bidirectional:
        return forward
    return 0.5 * (forward + _one_way(out, key + 1, key, targets[1], targets[0], anchors[1], config))


def _one_way(
    out: StcOutputs,
    key: int,
    reference: int,
    mine: FrameTargets,
    other: FrameTargets,
    drawn: Anchors,
    config: LossConfig,
) -> Tensor:
    point = drawn.point
    boxes = decode_boxes(out.grid.points[point], out.ltrb[key, point].detach())
    anchors = read_embeddings(out.embedding[key], box_centres(boxes), config.anchor_reading)
    if config.tracking == "contrastive":
        return _contrast(anchors, out.embedding[reference], drawn.contrasts, config)
    centres = box_centres(other.boxes[drawn.present])
    memory = read_embeddings(out.embedding[reference], centres, config.anchor_reading)
    return identity_loss(anchors, mine.points[point], memory, drawn.present)
