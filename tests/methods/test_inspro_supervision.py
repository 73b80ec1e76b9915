"""All loss terms of a clip at once against loops: which stage, frame, clip, slot and object meet."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from closeness import in_float64
from torch import Tensor

from methods.inspro.config import TINY, LossWeights
from methods.inspro.losses import Targets
from methods.inspro.masks import MaskHead
from methods.inspro.supervision import weighted_losses
from methods.layers.condmask import aligned_upsample

STAGES, FRAMES, CLIPS, SLOTS, CLASSES, DIM = 2, 3, 2, 5, 3, 4
PADDED = (32, 64)
WEIGHTS = LossWeights(dedup_beta=2.0, dedup_count=2)  # a wide hinge, so that far boxes count too
CONFIG = replace(TINY, dim=DIM, heads=2, stages=STAGES, mask_hidden=4, weights=WEIGHTS)
# both stages disagree about most slots. Clip 0: object 1 is away in frame 1; its slot 3 is reserved there.
# Clip 1 has one object, which enters in frame 1
ASSIGNED = torch.tensor(
    [
        [[[0, 3], [-1, -1]], [[0, -1], [1, -1]], [[0, 3], [1, -1]]],
        [[[2, 3], [-1, -1]], [[2, -1], [4, -1]], [[2, 3], [1, -1]]],
    ]
)


def scene():
    """Random predictions and objects in float64: outputs[frame][stage], targets, reserved slots."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def boxes(*shape: int) -> Tensor:
        low, size = (torch.rand(*shape, 2, generator=generator, dtype=torch.float64) for _ in range(2))
        return torch.cat((low * 20, low * 20 + 4 + size * 16), -1)

    outputs = [
        [
            SimpleNamespace(
                class_logits=normal(CLIPS, SLOTS, CLASSES),
                boxes=boxes(CLIPS, SLOTS).requires_grad_(),
                object_features=normal(CLIPS, SLOTS, DIM),
            )
            for _ in range(STAGES)
        ]
        for _ in range(FRAMES)
    ]
    masks = torch.rand(FRAMES, CLIPS, 2, PADDED[0] // 4, PADDED[1] // 4, generator=generator) > 0.5
    targets = Targets(
        labels=torch.tensor([[0, 2], [1, 0]]),
        boxes=boxes(FRAMES, CLIPS, 2),
        visible=ASSIGNED[0] >= 0,
        sizes=torch.tensor([[24, 60], [32, 40]]),
        masks=masks,
    )
    reserved = torch.zeros(FRAMES, CLIPS, SLOTS, dtype=torch.bool)
    reserved[1, 0, 3] = True
    levels = {"p3": (4, 8), "p4": (2, 4), "p5": (1, 2)}
    pyramid = {name: normal(CLIPS * FRAMES, DIM, *size) for name, size in levels.items()}
    return outputs, targets, reserved, pyramid


def focal(logit: float, target: bool) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -0.25 * (1 - p) ** 2 * math.log(p) if target else -0.75 * p**2 * math.log(1 - p)


def overlap(a: list[float], b: list[float]) -> tuple[float, float]:
    """(IoU, GIoU) of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return both / either, both / either - (hull - either) / hull


def hinge(target: list[float], box: list[float]) -> float:
    away = [(box[i] + box[i + 2] - target[i] - target[i + 2]) / 2 for i in (0, 1)]
    diagonal = (target[2] - target[0]) ** 2 + (target[3] - target[1]) ** 2
    return max(WEIGHTS.dedup_beta - (away[0] ** 2 + away[1] ** 2) / diagonal, 0)


def drawn(head: MaskHead, stage: int, feature: Tensor, features: Tensor, box: list[float]) -> Tensor:
    """Mask logits of one slot at stride 4: three convolutions on (relative x, relative y, mask features)."""
    k = head.generators[stage](features)
    rows, columns = feature.shape[1:]
    y, x = torch.meshgrid(torch.arange(rows) * 8 + 4, torch.arange(columns) * 8 + 4, indexing="ij")
    # no side is longer than 64 px, the first size of interest
    planes = torch.stack((((box[0] + box[2]) / 2 - x) / 64, ((box[1] + box[3]) / 2 - y) / 64))
    z = torch.cat((planes, feature))[None]
    z = F.conv2d(z, k[:80].view(8, 10, 1, 1), k[152:160]).relu()
    z = F.conv2d(z, k[80:144].view(8, 8, 1, 1), k[160:168]).relu()
    return aligned_upsample(F.conv2d(z, k[144:152].view(1, 8, 1, 1), k[168:]), 2)[0, 0]


def mask_terms(logits: Tensor, truth: Tensor) -> tuple[float, float]:
    """(dice with squared denominator, focal averaged over the pixels)."""
    x, y = logits.sigmoid().flatten(), truth.flatten().double()
    dice = 1 - 2 * (x * y).sum() / ((x * x).sum() + (y * y).sum() + 1e-5)
    pixels = zip(logits.flatten().tolist(), truth.flatten().tolist(), strict=True)
    return dice.item(), sum(focal(value, target) for value, target in pixels) / len(y)


@pytest.mark.parametrize("vanished", ["background", "ignore"])
@pytest.mark.parametrize("mask_stages", ["all", "last"])
@in_float64()
def test_every_term_against_loops(vanished, mask_stages):
    """Each stage with its own slots, boxes, features and generator; a reserved slot pushes no one away, but
    is itself pushed, as every slot without a visible object is."""
    outputs, targets, reserved, pyramid = scene()
    torch.manual_seed(0)
    head = MaskHead(CONFIG).double().eval()
    config = replace(CONFIG, vanished=vanished, mask_stages=mask_stages)
    found = weighted_losses(outputs, ASSIGNED, reserved, targets, head, pyramid, config)
    mask_features = head.features(pyramid)
    wanted = dict.fromkeys(("class", "l1", "giou", "dedup", "dice", "mask_focal"), 0.0)
    for t in range(FRAMES):
        # objects of the frame in the whole batch, frames of the clip
        share = 1 / int(targets.visible[t].sum()) / FRAMES
        for s in range(STAGES):
            for b in range(CLIPS):
                output, slots = outputs[t][s], ASSIGNED[s, t, b].tolist()
                boxes = output.boxes[b].tolist()
                for n in range(SLOTS):
                    label = int(targets.labels[b, slots.index(n)]) if n in slots else None
                    if vanished == "ignore" and reserved[t, b, n]:
                        continue
                    for c in range(CLASSES):
                        wanted["class"] += share * focal(output.class_logits[b, n, c].item(), c == label)
                height, width = targets.sizes[b].tolist()
                for m, n in enumerate(slots):
                    if n < 0:
                        continue
                    true = targets.boxes[t, b, m].tolist()
                    sides = (width, height, width, height)
                    wanted["l1"] += share * sum(
                        abs(p - q) / side for p, q, side in zip(boxes[n], true, sides, strict=True)
                    )
                    wanted["giou"] += share * (1 - overlap(boxes[n], true)[1])
                    others = [box for i, box in enumerate(boxes) if i not in slots]
                    nearest = sorted(others, key=lambda box: -overlap(box, true)[0])[:2]
                    wanted["dedup"] += share * sum(hinge(true, box) for box in nearest) / 2
                    if s == 0 and mask_stages == "last":
                        continue
                    logits = drawn(
                        head, s, mask_features[b * FRAMES + t], output.object_features[b, n], boxes[n]
                    )
                    dice, pixels = mask_terms(logits, targets.masks[t, b, m])
                    wanted["dice"] += share * dice
                    wanted["mask_focal"] += share * pixels
    factors = {"class": 2, "l1": 5, "giou": 2, "dedup": 1, "dice": 5, "mask_focal": 5}
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {f"loss_{name}": factors[name] * value for name, value in wanted.items()}, rel=1e-9
    )
    assert all(value > 0 for value in wanted.values())


def test_masks_read_the_place_of_a_box_and_do_not_move_it():
    outputs, targets, reserved, pyramid = scene()
    head = MaskHead(CONFIG).double().eval()
    found = weighted_losses(outputs, ASSIGNED, reserved, targets, head, pyramid, CONFIG)
    boxes = [output.boxes for frame in outputs for output in frame]
    masks = found["loss_dice"] + found["loss_mask_focal"]
    assert torch.autograd.grad(masks, boxes, retain_graph=True, allow_unused=True) == (None,) * len(boxes)
    assert all((gradient != 0).any() for gradient in torch.autograd.grad(found["loss_l1"], boxes))
