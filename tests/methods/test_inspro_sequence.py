"""Video-level scores of slots, by hand."""

import numpy as np
import pytest

from methods.inspro.sequence import sequence_scores, summarise_slots
from vis_bench.masks import rle
from vis_bench.method import FrameDetection, FrameResult

MASK = rle.encode(np.ones((2, 2), dtype=bool))


def results(frame_scores, threshold=0.05):
    frames = []
    for index, slots in enumerate(frame_scores):
        detections = [
            FrameDetection(
                slot, np.array(scores, dtype=np.float32), MASK if max(scores) >= threshold else None
            )
            for slot, scores in enumerate(slots)
        ]
        frames.append(FrameResult(index, tuple(detections)))
    return frames


# two slots, two classes, four frames; slot 1 is absent in frames 1 to 3
FRAMES = [
    [[0.8, 0.1], [0.04, 0.9]],
    [[0.6, 0.3], [0.01, 0.01]],
    [[0.4, 0.2], [0.01, 0.01]],
    [[0.2, 0.2], [0.02, 0.04]],
]


@pytest.mark.parametrize(
    ("kind", "slot_0", "slot_1"),
    [
        ("mean_all", [0.5, 0.2], [0.02, 0.24]),
        ("mean_active", [0.5, 0.2], [0.04, 0.9]),
        ("max", [0.8, 0.3], [0.04, 0.9]),
    ],
)
def test_scores_by_hand(kind, slot_0, slot_1):
    scores = sequence_scores(np.array(FRAMES), kind, 0.05)
    np.testing.assert_allclose(scores, [slot_0, slot_1], atol=1e-9)


def test_a_slot_that_is_never_active_scores_zero():
    assert sequence_scores(np.full((3, 1, 2), 0.01), "mean_active", 0.05).tolist() == [[0.0, 0.0]]


def test_best_pairs_of_slot_and_class_in_order():
    tracks = summarise_slots(results(FRAMES), "mean_all", 0.05, 3)
    assert [(t.label, round(t.score, 4)) for t in tracks] == [(0, 0.5), (1, 0.24), (1, 0.2)]
    assert [m is not None for m in tracks[0].segmentations] == [True] * 4
    assert [m is not None for m in tracks[1].segmentations] == [True, False, False, False]


def test_slots_without_any_mask_are_left_out():
    tracks = summarise_slots(results([[[0.3, 0.2], [0.04, 0.04]]]), "mean_all", 0.05, 10)
    assert [t.label for t in tracks] == [0, 1]
    assert summarise_slots([], "mean_all", 0.05, 10) == []
