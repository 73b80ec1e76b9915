"""Identity bank, MaskTrack and CrossVIS rules, conflicts, and the reduction to tracks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou as torchvision_box_iou

from methods.tracking.association import (
    DISCARDED,
    NEW,
    AssociationRule,
    associate,
    box_iou,
    choose_rows,
    crossvis_scores,
    masktrack_scores,
    track_detections,
)
from methods.tracking.bank import Bank, RawDetections, empty_bank, keep_latest
from methods.tracking.sequence import majority_label, summarise_tracks
from vis_bench.masks.rle import encode
from vis_bench.method import FrameDetection, FrameResult

MASK = encode(np.ones((4, 4), dtype=bool))
FAR = (200.0, 200.0, 210.0, 210.0)
HERE = (0.0, 0.0, 10.0, 10.0)
RULE = AssociationRule()


def detections(
    *rows: tuple[float, int, tuple[float, ...], tuple[float, ...]], width: int = 2
) -> RawDetections:
    """Each row: score, label, box, embedding."""
    return RawDetections(
        scores=np.array([row[0] for row in rows], dtype=float),
        labels=np.array([row[1] for row in rows], dtype=np.int64),
        boxes=np.array([row[2] for row in rows], dtype=float).reshape(-1, 4),
        embeddings=np.array([row[3] for row in rows], dtype=float).reshape(-1, width),
        segmentations=(MASK,) * len(rows),
    )


def bank_of(*rows: tuple[int, tuple[float, ...], tuple[float, ...]]) -> Bank:
    """Each row: label, box, embedding."""
    start = detections(*[(1.0, label, box, embedding) for label, box, embedding in rows])
    return associate(start, empty_bank(2), RULE, 0)[1]


def test_box_iou_equals_torchvision() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (9, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(1, 40, (9, 2))), axis=1)
    expected = torchvision_box_iou(torch.tensor(boxes[:4]), torch.tensor(boxes[4:])).numpy()
    assert np.allclose(box_iou(boxes[:4], boxes[4:]), expected)


def test_box_iou_of_empty_boxes_is_zero() -> None:
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_masktrack_score_by_hand() -> None:
    bank = bank_of((3, HERE, (1.0, 0.0)))
    half = (0.0, 0.0, 10.0, 5.0)
    got = masktrack_scores(detections((0.5, 3, half, (2.0, 7.0))), bank, RULE)
    log_z = math.log(1 + math.exp(2.0))
    assert got[0, 0] == pytest.approx(-log_z + math.log(0.5) + 10)
    assert got[0, 1] == pytest.approx(2.0 - log_z + math.log(0.5) + 2 * 0.5 + 10)


def test_softmax_runs_over_all_identities_so_far_whatever_their_age_and_class() -> None:
    bank = bank_of((0, HERE, (1.0, 0.0)), (1, FAR, (0.0, 2.0)), (2, FAR, (1.0, 1.0)))
    _, bank = associate(detections((0.9, 1, FAR, (0.0, 2.0))), bank, RULE, 1)
    assert bank.last_seen.tolist() == [0, 1, 0]
    got = masktrack_scores(detections((0.5, 0, HERE, (2.0, 1.0))), bank, RULE)
    # similarities 2, 2 and 3 beside the dummy's 0; class and IoU agree with the first only
    log_z = math.log(1 + 2 * math.exp(2) + math.exp(3))
    cues = np.array([10.0, 2 + 10, 0, 0])
    assert got[0] == pytest.approx(np.array([0.0, 2, 2, 3]) - log_z + math.log(0.5) + cues)


def test_dummy_has_delta_one_so_that_another_class_becomes_new() -> None:
    # similarity 3 against the dummy's 0 but another class: 3 < 10
    bank = bank_of((0, HERE, (1.0, 0.0)))
    identities, after = associate(detections((0.9, 1, FAR, (3.0, 0.0))), bank, RULE, 1)
    assert identities.tolist() == [1]
    # same class, dissimilar, elsewhere: new too, which a dummy with delta 0 would never allow
    identities, after = associate(detections((0.9, 0, FAR, (-3.0, 0.0))), bank, RULE, 1)
    assert identities.tolist() == [1]
    assert len(after) == 2


def test_positive_similarity_of_the_same_class_is_a_match() -> None:
    bank = bank_of((0, HERE, (1.0, 0.0)))
    assert associate(detections((0.9, 0, HERE, (3.0, 0.0))), bank, RULE, 1)[0].tolist() == [0]


def test_log_score_decides_a_conflict_and_the_loser_is_discarded() -> None:
    bank = bank_of((0, HERE, (1.0, 0.0)))
    strong_last = detections((0.3, 0, HERE, (3.0, 0.0)), (0.9, 0, HERE, (2.9, 0.0)))
    identities, after = associate(strong_last, bank, RULE, 1)
    assert identities.tolist() == [-1, 0]  # without log s the first would win with similarity 3.0
    assert len(after) == 1  # the loser is not a new identity either
    assert after.embeddings.tolist() == [[2.9, 0.0]]
    ignoring = AssociationRule(score_weight=0.0)
    assert associate(strong_last, bank, ignoring, 1)[0].tolist() == [0, -1]


def test_rows_choose_for_themselves_not_hungarian() -> None:
    # Hungarian would give 0 -> 1, 1 -> 0 (sum 9 + 8); each row takes its best and one loses
    scores = np.array([[0.0, 10.0, 9.0], [0.0, 8.0, 1.0]])
    assert choose_rows(scores).tolist() == [0, DISCARDED]


def test_new_is_no_conflict() -> None:
    scores = np.array([[5.0, 1.0], [5.0, 1.0]])
    assert choose_rows(scores).tolist() == [NEW, NEW]


def test_identity_of_an_earlier_frame_is_still_there() -> None:
    first = detections((0.9, 0, HERE, (4.0, 0.0)))
    other = detections((0.9, 1, FAR, (0.0, 4.0)))
    results = list(track_detections([first, other, other, first], RULE, 2))
    assert [r.detections[0].identity for r in results] == [0, 1, 1, 0]


def test_match_overwrites_box_and_embedding_and_keeps_the_class() -> None:
    bank = bank_of((0, HERE, (9.0, 0.0)))
    moved = (5.0, 0.0, 15.0, 10.0)
    # another class can win only with a very large similarity
    changed = detections((0.9, 1, moved, (4.0, 1.0)))
    _, after = associate(changed, bank, RULE, 4)
    assert after.embeddings.tolist() == [[4.0, 1.0]]
    assert after.boxes.tolist() == [list(moved)]
    assert after.labels.tolist() == [0]
    assert after.last_seen.tolist() == [4]
    refreshed = associate(changed, bank, AssociationRule(refresh_label=True), 4)[1]
    assert refreshed.labels.tolist() == [1]
    assert bank.embeddings.tolist() == [[9.0, 0.0]]  # the bank before is untouched


def test_forgetting_drops_old_identities_and_never_reuses_their_number() -> None:
    rule = AssociationRule(forget_after_frames=2)
    bank = bank_of((0, HERE, (1.0, 0.0)))
    same = detections((0.9, 0, HERE, (3.0, 0.0)))
    assert associate(same, bank, rule, 2)[0].tolist() == [0]
    identities, after = associate(same, bank, rule, 3)
    assert identities.tolist() == [1]
    assert after.identities.tolist() == [1]


def test_crossvis_by_hand() -> None:
    bank = bank_of((0, HERE, (2.0, 0.0)), (1, HERE, (2.0, 0.0)))
    got = crossvis_scores(detections((0.9, 0, (0.0, 0.0, 10.0, 5.0), (3.0, 4.0))), bank, RULE)
    assert got[0, 0] == 0.4
    assert got[0, 1] == pytest.approx(0.6 + 0.5)
    assert got[0, 2] == -np.inf  # another class


def test_crossvis_threshold_makes_new_identities() -> None:
    rule = AssociationRule(rule="crossvis")
    bank = bank_of((0, HERE, (1.0, 0.0)))
    assert associate(detections((0.9, 0, FAR, (0.39, 0.92))), bank, rule, 1)[0].tolist() == [1]
    assert associate(detections((0.9, 0, FAR, (0.45, 0.89))), bank, rule, 1)[0].tolist() == [0]


rows = st.lists(
    st.tuples(
        st.floats(0.03, 1.0),
        st.integers(0, 2),
        st.tuples(st.floats(0, 50), st.floats(0, 50)),
        st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(["masktrack", "crossvis"]))
def test_identities_are_unique_in_a_frame_and_numbered_without_gaps(frames: list, name: str) -> None:
    rule = AssociationRule(rule=name)  # type: ignore[arg-type]
    bank = empty_bank(2)
    for index, frame in enumerate(frames):
        found = detections(*[(s, c, (x, y, x + 9, y + 9), e) for s, c, (x, y), e in frame])
        identities, bank = associate(found, bank, rule, index)
        given_out = identities[identities >= 0]
        assert len(set(given_out.tolist())) == len(given_out)
        assert bank.identities.tolist() == list(range(bank.next_identity))
        if index == 0:
            assert identities.tolist() == list(range(len(found)))


def test_association_asks_for_a_frame_only_after_the_last_is_out() -> None:
    asked: list[int] = []

    def frames() -> Iterator[RawDetections]:
        for index in range(3):
            asked.append(index)
            yield detections((0.9, 0, HERE, (1.0, 0.0)))

    for result in track_detections(frames(), RULE, 1):
        assert asked == list(range(result.index + 1))
    assert asked == [0, 1, 2]


def test_discarded_detections_are_not_put_out() -> None:
    twice = detections((0.9, 0, HERE, (3.0, 0.0)), (0.5, 0, HERE, (3.0, 0.0)))
    once = detections((0.9, 0, HERE, (3.0, 0.0)))
    results = list(track_detections([once, twice], RULE, 2))
    assert len(results[1].detections) == 1
    found = results[1].detections[0]
    assert found.class_scores.tolist() == pytest.approx([0.9, 0.0])
    assert found.box == (0.0, 0.0, 10.0, 10.0)


def test_majority_vote_ties_go_to_the_smallest_class() -> None:
    assert majority_label([2, 1, 2, 1]) == 1
    assert majority_label([0, 2, 2]) == 2
    with pytest.raises(ValueError, match="without detections"):
        majority_label([])


def frame(index: int, *entries: tuple[int, list[float], bool]) -> FrameResult:
    return FrameResult(
        index,
        tuple(
            FrameDetection(identity, np.array(scores, dtype=np.float32), MASK if mask else None)
            for identity, scores, mask in entries
        ),
    )


def test_track_score_is_the_mean_over_detected_frames_and_class_is_voted() -> None:
    results = [
        frame(0, (7, [0.0, 0.5], True)),
        frame(1),
        frame(2, (7, [0.0, 0.7], False), (2, [0.2, 0.0], True)),
        frame(3, (7, [0.9, 0.0], True)),
    ]
    second, first = summarise_tracks(results, 4)
    assert second.label == 0
    assert second.segmentations == (None, None, MASK, None)
    assert first.label == 1  # the last frame says 0
    assert first.score == pytest.approx((0.5 + 0.7 + 0.9) / 3)  # not / 4
    assert first.segmentations == (MASK, None, None, MASK)


def test_track_without_any_mask_is_left_out() -> None:
    assert summarise_tracks([frame(0, (0, [0.5], False))], 1) == []


def test_of_too_many_identities_the_ones_seen_last_are_remembered():
    bank = Bank(
        identities=np.arange(5),
        embeddings=np.arange(5.0)[:, None],
        boxes=np.zeros((5, 4)),
        labels=np.zeros(5, np.int64),
        last_seen=np.array([7, 2, 9, 2, 9]),
        next_identity=5,
    )
    # frames 9, 9, 7 first; of the two of frame 2 the older
    kept = keep_latest(bank, 4)
    assert kept.identities.tolist() == [0, 1, 2, 4]
    assert (kept.embeddings[:, 0].tolist(), kept.next_identity) == ([0.0, 1.0, 2.0, 4.0], 5)
    assert keep_latest(bank, 5) is bank
    assert keep_latest(bank, None) is bank


@pytest.mark.parametrize("name", ["masktrack", "crossvis"])
def test_a_bound_on_identities_holds_in_every_frame_and_numbers_go_on(name):
    rule = AssociationRule(name, most_identities=3)
    bank, numbers = empty_bank(2), []
    for frame in range(6):
        # two objects a frame, far from all before and of another class each
        there = np.array(
            [[100.0 * frame, 0, 100.0 * frame + 9, 9], [100.0 * frame, 50, 100.0 * frame + 9, 59]]
        )
        found = RawDetections(
            np.ones(2), np.array([2 * frame, 2 * frame + 1]), there, np.zeros((2, 2)), (None, None)
        )
        identities, bank = associate(found, bank, rule, frame)
        numbers += identities.tolist()
        assert len(bank) <= 3
    assert numbers == list(range(12))
