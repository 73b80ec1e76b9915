"""Targets, matching and the losses of one stage of QueryTrack, against values worked out by hand or loops."""

import itertools
import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from methods.layers.mask_targets import crop_mask_targets
from methods.querytrack.config import LossWeights
from methods.querytrack.losses import detection_losses, mask_loss, matched_entries, track_loss
from methods.querytrack.targets import Targets, flatten_targets, match_queries
from vis_bench.method import Clip

WEIGHTS = LossWeights()
SIZE = (40, 80)


def targets(image, objects, labels, boxes, images=2):
    boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    masks = torch.zeros(len(boxes), 64, 96, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return Targets(
        torch.tensor(image, dtype=torch.int64),
        torch.tensor(objects, dtype=torch.int64),
        torch.tensor(labels, dtype=torch.int64),
        boxes,
        masks,
        torch.tensor([SIZE] * images),
    )


def clip(height, width, visible):
    frames, objects = len(visible), len(visible[0])
    masks = torch.zeros(frames, objects, height, width, dtype=torch.bool)
    boxes = torch.zeros(frames, objects, 4)
    for t in range(frames):
        for n in range(objects):
            if visible[t][n]:
                masks[t, n, n : n + 4, t : t + 5] = True
                boxes[t, n] = torch.tensor([t, n, t + 5, n + 4])
    return Clip(
        torch.zeros(frames, 3, height, width, dtype=torch.uint8),
        torch.arange(objects),
        masks,
        boxes,
        torch.tensor(visible),
    )


def test_flatten_keeps_frames_in_order_and_objects_of_clips_apart():
    clips = [clip(20, 30, [[True, True], [False, True]]), clip(16, 40, [[True], [True]])]
    flat = flatten_targets(clips, (32, 64))
    assert flat.image.tolist() == [0, 0, 1, 2, 3]
    assert flat.objects.tolist() == [0, 1, 1, 2, 2]
    assert flat.labels.tolist() == [0, 1, 1, 0, 0]
    assert flat.boxes[2].tolist() == [1, 1, 6, 5]
    assert flat.sizes.tolist() == [[20, 30], [20, 30], [16, 40], [16, 40]]
    assert flat.masks.shape == (5, 32, 64)
    assert flat.masks[2].nonzero().amin(0).tolist() == [1, 1]
    assert flat.masks.sum(dim=(1, 2)).tolist() == [20] * 5


def test_no_object_anywhere():
    flat = flatten_targets([clip(20, 30, [[False], [False]])], (32, 32))
    assert flat.masks.shape == (0, 32, 32)
    logits, boxes = torch.zeros(1, 2, 3, 2), torch.tensor([0.0, 0.0, 9.0, 9.0]).expand(1, 2, 3, 4)
    queries = match_queries(logits, boxes, flat, WEIGHTS)
    assert queries.shape == (1, 0)
    classes, l1, giou = detection_losses(logits[0], boxes[0], queries[0], flat)
    # 12 background entries at p = 0.5, normaliser 1
    assert classes.item() == pytest.approx(12 * 0.75 * 0.25 * math.log(2), rel=HUNDRED_ROUNDINGS)
    assert l1 == giou == 0


def pair_cost(logit, box, target):
    p = 1 / (1 + math.exp(-logit))
    focal = 0.25 * (1 - p) ** 2 * -math.log(p) - 0.75 * p**2 * -math.log(1 - p)
    scale = [SIZE[1], SIZE[0]] * 2
    l1 = sum(abs(a - b) / s for a, b, s in zip(box, target, scale, strict=True))
    width = max(0, min(box[2], target[2]) - max(box[0], target[0]))
    height = max(0, min(box[3], target[3]) - max(box[1], target[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, target)]
    union = sum(areas) - width * height
    hull = (max(box[2], target[2]) - min(box[0], target[0])) * (
        max(box[3], target[3]) - min(box[1], target[1])
    )
    giou = width * height / union - (hull - union) / hull
    return 2 * focal + 5 * l1 - 2 * giou


def test_matching_is_the_cheapest_assignment_of_each_image_and_stage():
    torch.manual_seed(2)
    flat = targets([0, 0, 1], [0, 1, 0], [1, 0, 1], [[5, 5, 25, 20], [30, 10, 60, 35], [40, 8, 70, 30]])
    corner = torch.rand(2, 2, 4, 2) * 30
    boxes, logits = torch.cat([corner, corner + 20], dim=-1), torch.randn(2, 2, 4, 3)
    queries = match_queries(logits, boxes, flat, WEIGHTS)
    for s, i in itertools.product(range(2), range(2)):
        entries = flat.of_image(i).tolist()

        def total(picked, s=s, i=i, entries=entries):
            return sum(
                pair_cost(
                    logits[s, i, q, flat.labels[g]].item(), boxes[s, i, q].tolist(), flat.boxes[g].tolist()
                )
                for q, g in zip(picked, entries, strict=True)
            )

        best = min(itertools.permutations(range(4), len(entries)), key=total)
        assert queries[s, entries].tolist() == list(best)


def test_more_objects_than_queries_leaves_some_without():
    flat = targets([0, 0], [0, 1], [0, 0], [[0, 0, 10, 10], [20, 20, 30, 30]], images=1)
    boxes = torch.tensor([20.0, 20.0, 30.0, 31.0]).view(1, 1, 1, 4)
    queries = match_queries(torch.zeros(1, 1, 1, 2), boxes, flat, WEIGHTS)
    assert queries.tolist() == [[-1, 0]]
    assert matched_entries(queries[0]).tolist() == [1]


def test_detection_losses_by_hand():
    flat = targets([0, 1], [0, 0], [1, 0], [[0, 0, 20, 20], [40, 0, 80, 40]])
    logits = torch.zeros(2, 2, 2)
    boxes = torch.tensor(
        [[[0.0, 0, 10, 20], [1, 1, 2, 2]], [[3, 3, 9, 9], [40, 0, 80, 40]]]  # queries 0 and 1 are matched
    )
    classes, l1, giou = detection_losses(logits, boxes, torch.tensor([0, 1]), flat)
    # p = 0.5 everywhere: 2 positives and 6 negatives over 2 objects
    wanted = (2 * 0.25 + 6 * 0.75) * 0.25 * math.log(2) / 2
    assert classes.item() == pytest.approx(wanted, rel=HUNDRED_ROUNDINGS)
    assert l1.item() == pytest.approx((10 / 80) / 2)
    assert giou.item() == pytest.approx(0.5 / 2)


def test_mask_targets_are_cut_at_the_predicted_box():
    """The truth is 16 px wide; a predicted box that is twice as wide sees it in its left half."""
    flat = targets([0], [0], [2], [[8, 8, 24, 24]], images=1)
    box, entry = torch.tensor([[8.0, 8.0, 40.0, 24.0]]), torch.tensor([0])
    logits = torch.zeros(1, 3, 28, 28)
    logits[0, 2] = -20.0
    logits[0, 2, :, :14] = 20.0
    # 1e-5 is added to the denominator; sigmoid(20) is 1 - 2e-9
    assert mask_loss(logits, box, entry, flat).item() == pytest.approx(0.0, abs=1e-4)
    # the same prediction in the truth's own box misses half of the object: 1 - 2 * 392 / (392 + 784)
    assert mask_loss(logits, flat.boxes, entry, flat).item() == pytest.approx(1 / 3, abs=1e-4)


def test_mask_loss_is_the_dice_of_the_true_class_over_the_number_of_objects():
    flat = targets([0, 1, 1], [0, 0, 1], [1, 1, 0], [[8, 8, 24, 24], [10, 8, 30, 30], [40, 8, 60, 30]])
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 28, 28, requires_grad=True)
    boxes, entries = torch.tensor([[6.0, 6.0, 30.0, 30.0], [38.0, 9.0, 58.0, 33.0]]), torch.tensor([0, 2])
    loss = mask_loss(logits, boxes, entries, flat)
    cut = crop_mask_targets(flat.masks, entries, boxes, 28).double()
    total = 0.0
    for k, label in enumerate([1, 0]):
        x = 1 / (1 + torch.exp(-logits[k, label].detach().double()))
        y = cut[k]
        total += 1 - 2 * (x * y).sum() / ((x * x).sum() + (y * y).sum() + 1e-5)
    assert loss.item() == pytest.approx(float(total) / 3, rel=HUNDRED_ROUNDINGS)
    loss.backward()
    assert logits.grad[0, 0].abs().sum() == 0
    assert logits.grad[1, 1].abs().sum() == 0


def test_track_loss_compares_key_frames_with_the_reference_of_their_own_pair_only():
    boxes = [[0, 0, 9, 9]] * 5
    flat = targets([0, 0, 1, 2, 3], [0, 1, 1, 2, 2], [0] * 5, boxes, images=4)
    embeddings = torch.tensor([[1.0], [2.0], [0.5], [-1.0], [0.7]])

    def focal(p, right):
        return -(0.25 if right else 0.75) * (1 - p) ** 2 * math.log(p)

    def term(product, present):
        p1 = math.exp(product) / (1 + math.exp(product))
        if present:
            return focal(p1, True) + focal(1 - (1 - p1), False)
        return focal(1 - p1, True) + focal(1 - p1, False)

    wanted = (term(0.5, False) + term(1.0, True) + term(-0.7, True)) / 3
    loss = track_loss(embeddings, torch.arange(5), flat, WEIGHTS)
    assert loss.item() == pytest.approx(wanted, rel=HUNDRED_ROUNDINGS)
    # another video's embeddings take no part
    other = embeddings.clone()
    other[4] = 9.0
    first_only = matched = torch.tensor([0, 1, 2])
    assert torch.equal(
        track_loss(embeddings[first_only], matched, flat, WEIGHTS),
        track_loss(other[first_only], matched, flat, WEIGHTS),
    )
    both = track_loss(other, torch.arange(5), flat, WEIGHTS).item()
    assert both == pytest.approx(
        (term(0.5, False) + term(1.0, True) + term(-9.0, True)) / 3, rel=HUNDRED_ROUNDINGS
    )


def test_track_loss_without_key_frame_instances_is_zero():
    flat = targets([1], [0], [0], [[0, 0, 9, 9]])
    loss = track_loss(torch.randn(1, 4, requires_grad=True), torch.tensor([0]), flat, WEIGHTS)
    assert loss.item() == 0
    loss.backward()
