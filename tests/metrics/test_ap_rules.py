"""Each rule of the official AP, one by one, on corpora small enough to be worked out by hand."""

from __future__ import annotations

import metric_corpus
import numpy as np
import pytest
from metric_corpus import rectangle, track, truth_track

from vis_bench.metrics import video_ap
from vis_bench.metrics.average_precision import RECALL_LEVELS
from vis_bench.metrics.mask_overlap import reachable
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, match
from vis_bench.metrics.overlap import sequence_iou, video_overlap
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Track, TruthTrack

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)
EMPTY = np.zeros(SIZE, dtype=bool)
EPS = np.spacing(1)


def ap(truth: list[TruthTrack], tracks: list[Track], lengths: dict[int, int] | None = None) -> dict:
    length = lengths or {1: len((truth or tracks)[0].segmentations)}
    made = metric_corpus.dataset(truth, length, SIZE, categories=2)
    return scoring.evaluate(made, tracks, ["ap"])["video_ap"]


def iou(truth: TruthTrack, found: Track) -> float:
    return float(sequence_iou(video_overlap(1, len(found.segmentations), [truth], [found]))[0, 0])


def one_group(
    rows: list[list[float]], crowd: list[bool] | None = None, outside: list[bool] | None = None
) -> Group:
    values = np.array(rows, dtype=float)
    count, truths = values.shape
    return Group(
        category=1,
        scores=np.linspace(1, 0.5, count),
        iou=values,
        crowd=np.array(crowd or [False] * truths),
        truth_ignored=np.array([outside or [False] * truths]) | np.array(crowd or [False] * truths),
        outside=np.zeros((1, count), dtype=bool),
    )


# 1. IoU of tracks


def test_iou_adds_counts_over_frames_before_dividing() -> None:
    """Frame 0: 100 of 100. Frame 1: 50 shared of 150. Sum 150 / 250 (the mean of ratios would be 2/3)."""
    shifted = rectangle(SIZE, 5, 0, 10, 10)
    assert iou(truth_track(1, [LEFT, LEFT]), track([LEFT, shifted], 0.9)) == 150 / 250


def test_a_frame_with_one_mask_adds_its_area_to_the_union() -> None:
    assert iou(truth_track(1, [LEFT, None, LEFT]), track([LEFT, LEFT, None], 0.9)) == 100 / 300


def test_iou_of_nothing_with_nothing_is_zero() -> None:
    assert iou(truth_track(1, [None, None]), track([None, EMPTY], 0.9)) == 0.0


# 2. area ranges


@pytest.mark.parametrize(
    ("areas", "ranges"),
    [
        ([16384.0], {"s", "m"}),
        ([16385.0], {"m"}),
        ([65536.0], {"m", "l"}),
        ([65537.0], {"l"}),
        ([16383.0, 16387.0], {"m"}),
        ([32768.0, None], {"m"}),
        ([0.0, 65536.0], {"m", "l"}),
        ([None, None], {"s"}),
    ],
)
def test_truth_belongs_to_ranges_by_the_mean_area_in_the_file(
    areas: list[float | None], ranges: set[str]
) -> None:
    """The masks have 100 pixels; only the areas of the file count, ends included, frames without left out."""
    truth = truth_track(1, [LEFT] * len(areas), areas=areas)
    result = ap([truth], [])
    assert {letter for letter in "sml" if result[f"AR{letter}"] == 0.0} == ranges


@pytest.mark.parametrize(("width", "small", "medium"), [(128, True, True), (129, False, True)])
def test_predictions_belong_to_ranges_by_the_mean_area_of_their_masks(
    width: int, small: bool, medium: bool
) -> None:
    """An unmatched prediction spoils precision only in its own ranges, ends included."""
    size = (128, 400)
    found = rectangle(size, 0, 0, width, 128)
    object_mask = rectangle(size, 200, 0, 100, 100)
    truths = [
        truth_track(1, [object_mask], areas=[16384.0]),
    ]
    made = metric_corpus.dataset(truths, {1: 1}, size)
    result = scoring.evaluate(made, [track([found], 0.9), track([object_mask], 0.5)], ["ap"])["video_ap"]
    assert (result["APs"] < 0.9) == small
    assert (result["APm"] < 0.9) == medium


# 3. crowds


def test_crowd_truth_takes_many_predictions_and_counts_for_nothing() -> None:
    truth = [truth_track(1, [LEFT], crowd=True), truth_track(2, [RIGHT])]
    tracks = [track([LEFT], 0.9), track([LEFT], 0.8), track([RIGHT], 0.5)]
    assert ap(truth, tracks)["AP"] == pytest.approx(1.0)


def test_crowd_truth_is_compared_with_plain_iou() -> None:
    """A prediction inside a crowd of four times its size has IoU 0.25, so it is a false positive."""
    crowd = rectangle(SIZE, 0, 0, 20, 20)
    truth = [truth_track(1, [crowd], crowd=True), truth_track(2, [RIGHT])]
    assert ap(truth, [track([LEFT], 0.9), track([RIGHT], 0.5)])["AP"] == pytest.approx(0.5)


# 4. order


@pytest.mark.parametrize(("wrong_video", "expected"), [(3, 1.0), (1, 0.5)])
def test_equal_scores_go_by_video_id(wrong_video: int, expected: float) -> None:
    """The right prediction is in video 2; a wrong one of equal score counts only in an earlier video."""
    truth = [truth_track(1, [LEFT], video=2)]
    tracks = [track([RIGHT], 0.5, video=wrong_video), track([LEFT], 0.5, video=2)]
    assert ap(truth, tracks, {3: 1, 2: 1, 1: 1})["AP"] == pytest.approx(expected)


def test_equal_scores_in_a_video_go_by_position() -> None:
    truth = [truth_track(1, [LEFT])]
    right, wrong = track([LEFT], 0.5), track([RIGHT], 0.5)
    assert ap(truth, [right, wrong])["AP"] == pytest.approx(1.0)
    assert ap(truth, [wrong, right])["AP"] == pytest.approx(0.5)


# 5. matching


def test_iou_equal_to_the_threshold_matches() -> None:
    matched, _ = match(one_group([[0.5]]))
    assert matched[0, :, 0].tolist() == [True] + [False] * 9


def test_the_last_of_equal_truths_is_taken() -> None:
    """Both truths have IoU 0.6 with the first prediction; the second can only reach truth 0."""
    matched, _ = match(one_group([[0.6, 0.6], [0.6, 0.0]]))
    assert matched[0, 0].tolist() == [True, True]
    matched, _ = match(one_group([[0.6, 0.6], [0.0, 0.6]]))
    assert matched[0, 0].tolist() == [True, False]


def test_a_regular_match_is_never_given_up_for_an_ignored_one() -> None:
    matched, ignored = match(one_group([[0.9, 0.6]], outside=[True, False]))
    assert matched[0, 0, 0]
    assert not ignored[0, 0, 0]
    assert ignored[0, 3, 0], "at 0.65 only the ignored truth is left"


def test_ignored_truth_that_is_no_crowd_is_taken_once() -> None:
    matched, _ = match(one_group([[0.9], [0.9]], outside=[True]))
    assert matched[0, 0].tolist() == [True, False]
    matched, _ = match(one_group([[0.9], [0.9]], crowd=[True]))
    assert matched[0, 0].tolist() == [True, True]


def test_a_better_score_takes_the_truth_even_with_a_lower_iou() -> None:
    matched, _ = match(one_group([[0.6], [0.9]]))
    assert matched[0, :, 0].tolist() == [True] * 3 + [False] * 7
    assert matched[0, :, 1].tolist() == [False] * 3 + [True] * 6 + [False]


# 6. thresholds and recall levels


def test_thresholds_and_recall_levels_are_those_of_linspace() -> None:
    assert 0.8999999999999999 in IOU_THRESHOLDS
    assert 0.9 not in IOU_THRESHOLDS
    assert int((np.array([k / 100 for k in range(101)]) < RECALL_LEVELS).sum()) == 10


# 7. precision


def test_precision_by_hand() -> None:
    """Right, wrong, right for three objects: 34 levels at precision 1, 33 at 2/3, 34 never reached."""
    truth = [truth_track(i, [LEFT], video=i) for i in (1, 2, 3)]
    tracks = [
        track([LEFT], 0.9, video=1),
        track([RIGHT], 0.8, video=1),
        track([LEFT], 0.7, video=2),
    ]
    result = ap(truth, tracks, {1: 1, 2: 1, 3: 1})
    # a mean of 1,010 numbers of at most 1 may be summed in any order
    assert result["AP"] == pytest.approx((34 * (1 / (1 + EPS)) + 33 * 2 / 3) / 101, abs=1e-12)
    assert result["AR100"] == pytest.approx(2 / 3)


def test_precision_is_the_best_at_any_higher_recall() -> None:
    """Wrong, right, right for two objects: 1/2 rises to 2/3, and 2/3 counts for every level."""
    truth = [truth_track(1, [LEFT]), truth_track(2, [RIGHT])]
    middle = rectangle(SIZE, 10, 10, 10, 10)
    tracks = [track([middle], 0.9), track([LEFT], 0.8), track([RIGHT], 0.7)]
    assert ap(truth, tracks)["AP"] == pytest.approx(2 / 3)


def test_recall_counts_the_best_predictions_per_category_and_video() -> None:
    truth = [truth_track(1, [LEFT]), truth_track(2, [RIGHT]), truth_track(3, [RIGHT], video=2)]
    tracks = [track([LEFT], 0.9), track([RIGHT], 0.8), track([RIGHT], 0.1, video=2)]
    result = ap(truth, tracks, {1: 1, 2: 1})
    assert (result["AR1"], result["AR10"]) == (pytest.approx(2 / 3), pytest.approx(1.0))


def test_the_101st_prediction_of_a_category_and_video_is_dropped() -> None:
    wrong = [track([RIGHT], 0.9) for _ in range(99)]
    truth = [truth_track(1, [LEFT])]
    assert ap(truth, [*wrong, track([LEFT], 0.5)])["AR100"] == pytest.approx(1.0)
    assert ap(truth, [*wrong, wrong[0], track([LEFT], 0.5)])["AR100"] == 0.0


# 8. categories and absences


def test_a_category_without_truth_is_left_out_and_one_without_predictions_counts_zero() -> None:
    truth = [truth_track(1, [LEFT])]
    false_alarm = track([LEFT], 0.9, category=2)
    assert ap(truth, [track([LEFT], 0.9), false_alarm])["AP"] == pytest.approx(1.0)
    missed = [*truth, truth_track(2, [RIGHT], category=2)]
    assert ap(missed, [track([LEFT], 0.9)])["AP"] == pytest.approx(0.5)


def test_a_category_with_crowd_truth_only_is_left_out() -> None:
    truth = [truth_track(1, [LEFT]), truth_track(2, [RIGHT], category=2, crowd=True)]
    made = metric_corpus.dataset(truth, {1: 1}, SIZE, categories=2)
    result = scoring.evaluate(made, [track([LEFT], 0.9)], ["ap"])
    assert result["video_ap"]["AP"] == pytest.approx(1.0)
    assert result["per_category"]["c2"]["AP"] is None


def test_truth_without_masks_is_a_miss_in_all_and_small() -> None:
    truth = [truth_track(1, [LEFT]), truth_track(2, [None])]
    result = ap(truth, [track([LEFT], 0.9)])
    assert (result["AR100"], result["ARs"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert result["ARm"] is None


@pytest.mark.parametrize("mask", [None, EMPTY])
def test_a_prediction_without_pixels_is_a_false_positive_in_all_and_small(mask: np.ndarray | None) -> None:
    big = truth_track(2, [RIGHT], areas=[20000.0])
    result = ap([truth_track(1, [LEFT]), big], [track([mask], 0.9), track([LEFT], 0.8), track([RIGHT], 0.8)])
    assert result["AP"] == pytest.approx(2 / 3)
    assert result["APs"] == pytest.approx(1 / 2)
    assert result["APm"] == pytest.approx(1.0)


def test_videos_without_predictions_count() -> None:
    truth = [truth_track(1, [LEFT]), truth_track(2, [LEFT], video=2)]
    assert ap(truth, [track([LEFT], 0.9)], {1: 1, 2: 1})["AR100"] == pytest.approx(0.5)


# 9. where the official code is wrong


def test_annotation_id_zero_is_matched() -> None:
    assert ap([truth_track(0, [LEFT])], [track([LEFT], 0.9)])["AP"] == pytest.approx(1.0)


def test_empty_results_score_zero() -> None:
    result = ap([truth_track(1, [LEFT])], [])
    assert (result["AP"], result["AR1"], result["APm"]) == (0.0, 0.0, None)


def test_boxes_are_compared_when_asked() -> None:
    """A triangle and the square around it: mask IoU 55/100, box IoU 1."""
    triangle = LEFT & (np.arange(SIZE[1])[None, :] <= np.arange(SIZE[0])[:, None])
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    found = [track([triangle], 0.9)]
    assert scoring.evaluate(made, found, ["ap"])["video_ap"]["AP"] == pytest.approx(0.2)
    assert scoring.evaluate(made, found, ["ap"], iou_type="bbox")["video_ap"]["AP"] == pytest.approx(1.0)


def test_box_only_predictions_use_box_overlap_and_box_area() -> None:
    """Box 10 x 10 against 10 x 8: IoU 0.8, right at seven thresholds (linspace's 0.8 is at most 0.8)."""
    made = metric_corpus.dataset([truth_track(1, [LEFT])], {1: 1}, SIZE)
    found = Track(1, 1, 0.9, (None,), boxes=((0.0, 0.0, 10.0, 8.0),))
    result = scoring.evaluate(made, [found], iou_type="bbox")
    assert result["video_ap"]["AP"] == pytest.approx((IOU_THRESHOLDS <= 0.8).sum() / 10)
    assert result["frame_ap"]["AP50"] == pytest.approx(1.0)
    assert result["mot"]["class_aware"]["0.0"]["IDF1"] == 1.0
    assert result["hota"]["class_aware"]["all"]["DetA"] == pytest.approx(16 / 19)


def test_group_order_of_video_ap_is_stable() -> None:
    overlap = video_overlap(1, 1, [], [track([LEFT], s) for s in (0.5, 0.9, 0.5)])
    (group,) = video_ap.groups(overlap)
    assert group.scores.tolist() == [0.9, 0.5, 0.5]
    assert group.iou.shape == (3, 0)


def test_pairs_that_cannot_reach_an_iou_are_known_by_their_areas() -> None:
    # smaller over larger, summed over frames: (4 + 6) / (8 + 12) = 1/2, (4 + 0) / (8 + 1) < 1/2
    first = np.array([[4.0, 12.0], [4.0, 0.0]])
    second = np.array([[8.0, 6.0], [8.0, 1.0]])
    assert reachable(first, second, 0.5).tolist() == [[True, False], [False, False]]
    assert reachable(first, second, 0.0).all()


@pytest.mark.parametrize("seed", range(8))
def test_ap_alone_skips_pairs_and_gives_the_same_numbers(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    alone, together = scoring.evaluate(made, tracks, ["ap"]), scoring.evaluate(made, tracks, ["ap", "hota"])
    assert alone["video_ap"] == together["video_ap"]
    assert alone["per_category"] == together["per_category"]


def test_a_pair_out_of_reach_is_not_measured() -> None:
    small, large = rectangle(SIZE, 0, 0, 4, 4), rectangle(SIZE, 0, 0, 10, 10)
    truth, found = [truth_track(1, [large])], [track([small], 0.5)]
    assert video_overlap(1, 1, truth, found).shared.tolist() == [[[16.0]]]
    assert video_overlap(1, 1, truth, found, least_iou=0.5).shared.tolist() == [[[0.0]]]
