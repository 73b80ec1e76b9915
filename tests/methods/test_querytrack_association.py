"""QueryTrack's association: Eq 8 and 9 against loops, and the rules for new identities."""

import math
from dataclasses import replace

import numpy as np
import pytest

from methods.tracking.association import track_with
from methods.tracking.bank import RawDetections, empty_bank
from methods.tracking.querytrack_association import (
    QueryTrackRule,
    associate_queries,
    bidirectional_similarity,
    matching_factor,
)
from vis_bench.errors import UsageError

RULE = QueryTrackRule()


def detections(*rows):
    """rows: (score, label, box, embedding)."""
    scores, labels, boxes, embeddings = (list(column) for column in zip(*rows, strict=True))
    return RawDetections(
        np.array(scores, dtype=float),
        np.array(labels, dtype=np.int64),
        np.array(boxes, dtype=float),
        np.array(embeddings, dtype=float),
        (None,) * len(rows),
    )


def bank_of(*rows):
    frame = detections(*rows)
    return associate_queries(frame, empty_bank(frame.embeddings.shape[1]), RULE, 0)[1]


LEFT, RIGHT, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (50, 50, 60, 60)


def test_similarity_and_factor_equal_float64_loops():
    generator = np.random.default_rng(5)

    def rows(count):
        corner = generator.uniform(0, 20, (count, 2))
        boxes = np.concatenate([corner, corner + generator.uniform(3, 15, (count, 2))], axis=1)
        return [
            (
                generator.uniform(0.1, 1),
                int(generator.integers(0, 2)),
                boxes[i],
                generator.normal(size=4) * 1.5,
            )
            for i in range(count)
        ]

    frame, stored = rows(4), rows(3)
    candidates, bank = detections(*frame), bank_of(*stored)
    similarity, factor = (
        bidirectional_similarity(candidates.embeddings, bank.embeddings),
        matching_factor(candidates, bank),
    )
    products = [[sum(a * b for a, b in zip(m[3], n[3], strict=True)) for n in stored] for m in frame]
    for m in range(4):
        for n in range(3):
            e = math.exp(products[m][n])
            over_identities = sum(math.exp(products[m][k]) for k in range(3))
            over_candidates = sum(math.exp(products[k][n]) for k in range(4))
            s = (e / over_identities + e / over_candidates) / 2
            assert similarity[m, n] == pytest.approx(s, rel=1e-12)
            (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = frame[m][2], stored[n][2]
            width = max(0.0, min(ax2, bx2) - max(ax1, bx1))
            height = max(0.0, min(ay2, by2) - max(ay1, by1))
            union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - width * height
            iou = width * height / union
            delta = 1.0 if frame[m][1] == stored[n][1] else 0.0
            wanted = s * (1 + iou) / 2 * (1 + frame[m][0]) / 2 * delta
            assert factor[m, n] == pytest.approx(wanted, rel=1e-12)


def test_one_candidate_and_one_identity_are_fully_similar_whatever_they_look_like():
    """Eq 9 has no entry for a new object, so a threshold on F cannot refuse this pair: the gate does."""
    assert bidirectional_similarity(np.array([[5.0, 0.0]]), np.array([[-5.0, 0.0]])).item() == 1.0
    bank = bank_of((0.9, 0, LEFT, (5.0, 0.0)))
    stranger = detections((0.9, 0, FAR, (-5.0, 0.0)))
    assert matching_factor(stranger, bank).item() == pytest.approx(0.5 * 0.95)
    assert associate_queries(stranger, bank, RULE, 1)[0].tolist() == [1]
    open_gate = replace(RULE, similarity_gate=-1.0)
    assert associate_queries(stranger, bank, open_gate, 1)[0].tolist() == [0]


def test_large_products_stay_finite():
    similarity = bidirectional_similarity(np.array([[900.0], [1.0]]), np.array([[2.0], [1.0]]))
    assert np.isfinite(similarity).all()


def test_another_class_never_matches_even_without_a_floor():
    bank = bank_of((0.9, 0, LEFT, (1.0, 1.0)))
    other = detections((0.9, 1, LEFT, (1.0, 1.0)))
    for floor in (0.0, 0.2):  # F is 0 between classes, which a floor of 0 alone would let through
        assert associate_queries(other, bank, replace(RULE, factor_floor=floor), 1)[0].tolist() == [1]


def test_a_match_overwrites_embedding_box_and_keeps_the_number():
    bank = bank_of((0.9, 0, LEFT, (3.0, 0.0)), (0.8, 0, RIGHT, (0.0, 3.0)))
    frame = detections((0.7, 0, RIGHT, (0.5, 3.0)), (0.9, 0, FAR, (3.0, 0.5)))
    identities, after = associate_queries(frame, bank, RULE, 1)
    assert identities.tolist() == [1, 0]
    assert after.embeddings.tolist() == [[3.0, 0.5], [0.5, 3.0]]
    assert after.boxes[0].tolist() == list(FAR)
    assert after.last_seen.tolist() == [1, 1]


def test_two_candidates_for_one_identity_the_larger_factor_wins_and_the_other_is_new_or_discarded():
    bank = bank_of((0.9, 0, LEFT, (2.0, 0.0)))
    frame = detections((0.5, 0, FAR, (1.0, 0.0)), (0.6, 0, LEFT, (2.0, 0.0)))
    assert associate_queries(frame, bank, RULE, 1)[0].tolist() == [1, 0]
    discard = replace(RULE, losers="discard")
    assert associate_queries(frame, bank, discard, 1)[0].tolist() == [-1, 0]
    # a candidate that no identity would have had is no loser
    stranger = detections((0.5, 1, FAR, (1.0, 0.0)), (0.6, 0, LEFT, (2.0, 0.0)))
    assert associate_queries(stranger, bank, discard, 1)[0].tolist() == [1, 0]


def test_a_loser_may_take_its_second_choice():
    bank = bank_of((0.9, 0, LEFT, (1.0, 0.0)), (0.9, 0, RIGHT, (0.9, 0.1)))
    frame = detections((0.9, 0, LEFT, (1.0, 0.0)), (0.4, 0, LEFT, (1.0, 0.0)))
    assert associate_queries(frame, bank, RULE, 1)[0].tolist() == [0, 1]


def test_below_the_start_threshold_nothing_begins_but_a_known_object_goes_on():
    bank = bank_of((0.9, 0, LEFT, (2.0, 0.0)))
    frame = detections((0.04, 0, LEFT, (2.0, 0.0)), (0.04, 1, FAR, (0.0, 2.0)))
    assert associate_queries(frame, bank, RULE, 1)[0].tolist() == [0, -1]


def test_a_floor_refuses_weak_pairs():
    bank = bank_of((0.9, 0, LEFT, (2.0, 0.0)))
    frame = detections((0.2, 0, FAR, (2.0, 0.0)))  # F = 1 * 0.5 * 0.6
    assert associate_queries(frame, bank, RULE, 1)[0].tolist() == [0]
    assert associate_queries(frame, bank, replace(RULE, factor_floor=0.29), 1)[0].tolist() == [0]
    assert associate_queries(frame, bank, replace(RULE, factor_floor=0.31), 1)[0].tolist() == [1]


def test_a_floor_on_the_factor_runs_away_when_queries_repeat_an_object():
    """Five queries on one object share the rows and columns of Eq 9: S is 0.2 for every pair."""
    frame = detections(*[(0.5, 0, LEFT, (1.2, 0.0))] * 5)
    bank = associate_queries(frame, empty_bank(2), RULE, 0)[1]
    assert matching_factor(frame, bank) == pytest.approx(np.full((5, 5), 0.2 * 0.75))
    assert len(associate_queries(frame, bank, RULE, 1)[1]) == 5
    floor = replace(RULE, factor_floor=0.2)
    for t in range(1, 4):
        identities, bank = associate_queries(frame, bank, floor, t)
        assert identities.tolist() == list(range(5 * t, 5 * t + 5))


def test_numbers_are_not_reused_and_lost_objects_are_found_again():
    first = detections((0.9, 0, LEFT, (3.0, 0.0)), (0.9, 0, RIGHT, (0.0, 3.0)))
    alone = detections((0.9, 0, RIGHT, (0.0, 3.0)))
    back = detections((0.9, 0, RIGHT, (0.0, 3.0)), (0.9, 0, FAR, (3.0, 0.0)), (0.9, 1, LEFT, (3.0, 0.0)))
    frames = [first, alone, back]
    results = list(track_with(frames, lambda d, b, t: associate_queries(d, b, RULE, t), 2))
    assert [[d.identity for d in r.detections] for r in results] == [[0, 1], [1], [1, 0, 2]]
    assert results[2].detections[2].class_scores.tolist() == pytest.approx([0.0, 0.9])


def test_frames_without_candidates():
    none = RawDetections(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 2)), ())
    identities, bank = associate_queries(none, empty_bank(2), RULE, 0)
    assert len(identities) == len(bank) == 0
    identities, bank = associate_queries(none, bank_of((0.9, 0, LEFT, (1.0, 0.0))), RULE, 1)
    assert (len(identities), len(bank)) == (0, 1)


def test_an_unknown_rule_for_losers_is_refused():
    with pytest.raises(UsageError, match="discard"):
        QueryTrackRule(losers="discarded")
