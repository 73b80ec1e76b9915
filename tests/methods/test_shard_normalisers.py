"""What a loss is divided by where a step has several shards: counts over all of them, or a shard's own.

One object in one shard, five in the other: their counts are 1 and 5, the mean of the devices is 3. A term
that public code divides by the count of all devices is then 1/3 and 5/3 of what the shard alone would give; a
term that stays local does not change. Both ways divide the same sums, so a few roundings are between them.
"""

from __future__ import annotations

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS

from vis_bench.engine.training.clips.augment import tight_boxes
from vis_bench.engine.training.shards import mean_counts
from vis_bench.method import Clip
from vis_bench.setup.plugins import build_method, load_spec

# terms by what divides them: over all devices, or local
SHARED = {
    "mask2former_vis": ({"bce", "dice"}, {"class"}),
    "ifr": ({"class", "bce", "dice", "cross_bce", "cross_dice"}, set()),
    "querytrack": ({"loss_class", "loss_l1", "loss_giou", "loss_dice"}, {"loss_track"}),
    "inspro": ({"loss_class", "loss_l1", "loss_giou", "loss_dedup", "loss_dice", "loss_mask_focal"}, set()),
    "inspro_tbd": ({"loss_class", "loss_l1", "loss_giou", "loss_dice", "loss_mask_focal"}, {"loss_identity"}),
}


def clip(objects: int, frames: int, height: int = 64, width: int = 96) -> Clip:
    """Boxes of 20 x 24 pixels in every frame, side by side."""
    generator = torch.Generator().manual_seed(objects)
    masks = torch.zeros(frames, objects, height, width, dtype=torch.bool)
    for t in range(frames):
        for n in range(objects):
            top, left = 4 + 30 * (n % 2), 2 + 30 * (n // 2) + t
            masks[t, n, top : top + 24, left : left + 20] = True
    boxes, visible = tight_boxes(masks)
    pixels = torch.randint(0, 256, (frames, 3, height, width), generator=generator, dtype=torch.uint8)
    return Clip(pixels, torch.arange(objects) % 3, masks, boxes, visible)


def losses(model, clips, normalisers=None) -> dict[str, float]:
    torch.manual_seed(1)
    with torch.no_grad():
        terms = model.losses(clips) if normalisers is None else model.losses(clips, normalisers)
    return {name: value.item() for name, value in terms.items()}


@pytest.mark.parametrize("name", SHARED)
def test_counts_over_all_shards_divide_the_terms_that_public_code_divides_so(name) -> None:
    torch.manual_seed(0)
    spec = load_spec(name)
    model = build_method(spec, spec.configs["tiny"], 3).train()
    frames = spec.configs["tiny"].train.sampling.frames
    shards = [[clip(1, frames)], [clip(5, frames)]]
    mean = mean_counts([model.normalisers(one) for one in shards])
    divided, local = SHARED[name]
    for clips, share in zip(shards, (1 / 3, 5 / 3), strict=True):
        alone, together = losses(model, clips), losses(model, clips, mean)
        assert set(alone) == divided | local
        for term in divided:
            assert together[term] == pytest.approx(share * alone[term], rel=HUNDRED_ROUNDINGS), term
        for term in local:
            assert together[term] == alone[term]


def test_normalisers_are_counted_on_the_host_from_targets_alone() -> None:
    """Five objects in 2 frames: instances of the clip, targets of both frames, objects of each frame."""
    expected = {
        "mask2former_vis": {"instances": [5]},
        "ifr": {"instances": [5]},
        "querytrack": {"targets": [10.0]},
        "inspro": {"visible": [5, 5, 5]},
        "inspro_lite": {"visible": [5, 5, 5]},
        "inspro_motr": {"visible": [5, 5, 5]},
        "inspro_tbd": {"visible": [5, 5]},
    }
    for name, counts in expected.items():
        spec = load_spec(name)
        model = build_method(spec, spec.configs["tiny"], 3)
        frames = len(next(iter(counts.values()))) if "visible" in counts else 2
        assert model.normalisers([clip(5, frames)]) == counts, name


def test_stc_counts_positive_points_and_their_centreness() -> None:
    """The class and centre-ness terms by points, the box term by weights, of each frame; the mask loss is the
    mean of a shard's own points, whatever the other shard has."""
    torch.manual_seed(0)
    spec = load_spec("stc")
    model = build_method(spec, spec.configs["tiny"], 3).train()
    shards = [[clip(1, 2)], [clip(5, 2)]]
    own = [model.normalisers(one) for one in shards]
    mean = mean_counts(own)
    assert own[1]["positives"][0] > own[0]["positives"][0] > 0
    for clips, counts in zip(shards, own, strict=True):
        alone = losses(model, clips)
        # a shard's own counts are what it divides by alone
        assert losses(model, clips, counts) == pytest.approx(alone, rel=HUNDRED_ROUNDINGS)
        together = losses(model, clips, mean)
        # both frames have the same boxes, moved by a pixel, so that their counts nearly agree
        doubled = losses(model, clips, {name: [2 * v for v in values] for name, values in counts.items()})
        for term in ("class", "box", "centreness"):
            assert doubled[term] == pytest.approx(alone[term] / 2, rel=HUNDRED_ROUNDINGS)
            assert together[term] != pytest.approx(alone[term], rel=1e-3)
        for term in ("dice", "tracking", "consistency"):
            assert together[term] == doubled[term] == alone[term]


def test_masktrack_rcnn_divides_by_its_own_samples() -> None:
    spec = load_spec("masktrack_rcnn")
    assert not hasattr(build_method(spec, spec.configs["tiny"], 3), "normalisers")


def test_counts_are_added_in_order_and_divided_by_the_shards() -> None:
    counts = [{"a": [1, 2.5]}, {"a": [5, 0]}, {"a": [0, 0.5]}]
    assert mean_counts(counts) == {"a": [2.0, 1.0]}
    assert mean_counts(counts[:1]) == {"a": [1.0, 2.5]}
