"""No mask is drawn for a detection that is not put out, and those drawn are the same as when all are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import in_float64

from methods.tracking import association
from methods.tracking.association import track_with
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.engine.track import track_video
from vis_bench.masks.rle import encode
from vis_bench.method import RawDetections
from vis_bench.setup.plugins import build_method, load_spec

MASKS = [encode(np.eye(4, dtype=bool) * (row > 0)) for row in range(4)]


def test_each_mask_is_drawn_once_and_only_when_asked_for():
    asked = []

    def draw(rows):
        asked.append(rows.tolist())
        return [MASKS[row] for row in rows]

    lazy = LazyMasks(4, draw)
    assert (len(lazy), asked) == (4, [])
    lazy.fetch(np.array([2, 0]))
    assert lazy[2] == MASKS[2]
    assert asked == [[2, 0]]
    assert lazy[1:3] == MASKS[1:3]
    assert list(lazy) == MASKS
    assert asked == [[2, 0], [1], [3]]


def test_association_draws_what_it_puts_out():
    drawn = []

    def draw(rows):
        drawn.append(rows.tolist())
        return [MASKS[row] for row in rows]

    raw = RawDetections(
        np.ones(3), np.zeros(3, dtype=np.int64), np.zeros((3, 4)), np.zeros((3, 1)), LazyMasks(3, draw)
    )
    (result,) = track_with([raw], lambda _, bank, __: (np.array([5, -1, 6]), bank), num_classes=1)
    assert drawn == [[0, 2]]
    assert [detection.segmentation for detection in result.detections] == [MASKS[0], MASKS[2]]


# where the masks of a method come from: the module whose calls are counted, by what it is given
HEADS = {
    "masktrack_rcnn": lambda model: model.mask_head,
    "querytrack": lambda model: model.mask_heads[-1],
    "inspro_tbd": lambda model: model.mask_head.generators[-1],
}


@pytest.mark.parametrize("name", HEADS)
@in_float64()
def test_the_mask_head_sees_only_what_is_put_out(name, squares, monkeypatch):
    """Every second detection is refused by the association; its mask is never computed.

    In float64: in float32 a pixel at the threshold may turn with the number of masks drawn at once.
    """
    from vis_bench.data import catalog

    spec = load_spec(name)
    config = spec.configs["tiny"]
    # untrained scores are low
    config = replace(config, score_threshold=0.0)
    torch.manual_seed(0)
    model = build_method(spec, config, 1).eval()
    dataset = catalog.open_dataset(str(squares), "val")
    real = association.remember

    def half(detections, bank, rows, frame, refresh_label=False):
        rows = np.where(np.arange(len(rows)) % 2 == 1, association.DISCARDED, association.NEW)
        return real(detections, bank, rows, frame, refresh_label)

    monkeypatch.setattr(association, "remember", half)
    monkeypatch.setattr("methods.tracking.querytrack_association.remember", half)
    seen = []
    HEADS[name](model).register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    lazy = track_video(model, dataset, dataset.videos[0], "cpu", keep_candidates=False)
    put_out = sum(len(result.detections) for result in lazy.results)
    assert sum(seen) == put_out > 0
    assert all(result.candidates is None for result in lazy.results)

    seen.clear()
    kept = track_video(model, dataset, dataset.videos[0], "cpu", keep_candidates=True)
    assert sum(seen) == sum(len(result.candidates) for result in kept.results) > put_out
    assert kept.tracks == lazy.tracks
    assert all(isinstance(result.candidates.segmentations, tuple) for result in kept.results)
