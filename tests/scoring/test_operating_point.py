"""Where the operating point comes from: another split, the other half of the videos, or the videos
themselves.
"""

from __future__ import annotations

import hashlib

import metric_corpus
import numpy as np
import pytest
from metric_corpus import rectangle, track, truth_track

from vis_bench.scoring.evaluate import evaluate, measure, reduce
from vis_bench.scoring.operating_point import best_on, placed, recorded, second_half
from vis_bench.types import Dataset, Track

SIZE = (20, 40)
LEFT = rectangle(SIZE, 0, 0, 10, 10)
RIGHT = rectangle(SIZE, 20, 0, 10, 10)


def first_half(made: Dataset) -> set[int]:
    """Ids of the videos whose names' hashes are in the lower half."""
    order = sorted(made.videos, key=lambda video: hashlib.sha256(video.name.encode()).hexdigest())
    return {video.id for video in order[: -(-len(order) // 2)]}


def videos(count: int) -> Dataset:
    """One frame and one object each."""
    truth = [truth_track(i, [LEFT], video=i) for i in range(1, count + 1)]
    return metric_corpus.dataset(truth, dict.fromkeys(range(1, count + 1), 1), SIZE)


def right_and_wrong(made: Dataset, right: dict[bool, float], wrong: dict[bool, float]) -> list[Track]:
    """A right and a wrong track in every video, with the scores of its half (True: the first one)."""
    early = first_half(made)
    return [
        track([mask], scores[video.id in early], video=video.id)
        for video in made.videos
        for mask, scores in ((LEFT, right), (RIGHT, wrong))
    ]


@pytest.mark.parametrize("count", [8, 9])
def test_halves_are_of_the_order_of_the_name_hashes(count: int) -> None:
    made = videos(count)
    late = {i for i, second in zip(range(1, count + 1), second_half(made), strict=True) if second}
    assert late == set(range(1, count + 1)) - first_half(made)
    assert len(late) == 4
    # neither the order of the file nor the ids decide
    turned = metric_corpus.dataset([], dict.fromkeys(range(count, 0, -1), 1), SIZE)
    assert second_half(turned).tolist() == second_half(made).tolist()


def test_each_half_is_scored_at_the_threshold_of_the_other_one() -> None:
    """First half: best above 0.5, where only its right tracks are. Second half: best above 0.2.

    At the other's threshold the first half keeps its wrong tracks too, and the second half keeps nothing: 4
    of 8 objects found with 8 boxes, IDF1 2 * 4 / (8 + 8), MOTA 1 - (4 + 4) / 8. At their own both would be 1.
    """
    made = videos(8)
    tracks = right_and_wrong(made, {True: 0.6, False: 0.4}, {True: 0.5, False: 0.2})
    point = evaluate(made, tracks, ["mot", "hota"])["operating_point"]
    assert (point["thresholds"], point["metric"], point["source"]) == ([0.5, 0.2], "IDF1", "cross-fit")
    assert (point["mot"]["IDF1"], point["mot"]["MOTA"], point["mot"]["recall"]) == (0.5, 0.0, 0.5)
    assert (point["mot"]["FP"], point["mot"]["FN"]) == (4, 4)
    # HOTA: every hit is exact, DetA 4 / (4 + 4 + 4), AssA 1
    assert point["hota"]["HOTA"] == pytest.approx((1 / 3) ** 0.5)


def test_too_few_videos_to_halve_choose_for_themselves_and_say_so() -> None:
    made = videos(7)
    tracks = right_and_wrong(made, dict.fromkeys((True, False), 0.4), dict.fromkeys((True, False), 0.2))
    point = evaluate(made, tracks, ["mot"])["operating_point"]
    assert (point["thresholds"], point["source"]) == ([0.2], "same videos")
    assert point["mot"]["IDF1"] == 1.0


def test_a_threshold_from_elsewhere_is_kept_whatever_is_best_here() -> None:
    made = videos(8)
    tracks = right_and_wrong(made, dict.fromkeys((True, False), 0.4), dict.fromkeys((True, False), 0.2))
    assert best_on(made, tracks) == 0.2
    at = placed((0.1,), "val", made)
    point = evaluate(made, tracks, ["mot"], at=at)["operating_point"]
    assert (point["thresholds"], point["source"]) == ([0.1], "val")
    assert point["mot"]["IDF1"] == pytest.approx(2 * 8 / (8 + 16))
    assert recorded({"operating_point": at.head()}, made) == at
    assert recorded({"operating_point": None}, made) is None


def test_halves_of_a_record_are_those_of_all_its_videos() -> None:
    """A part of the videos keeps the thresholds that it had among all of them."""
    whole = videos(8)
    at = placed((0.5, 0.2), "cross-fit", whole)
    early = first_half(whole)
    assert at.above == {i: 0.2 if i in early else 0.5 for i in range(1, 9)}


def test_weights_hold_the_thresholds_fixed() -> None:
    made = videos(8)
    tracks = right_and_wrong(made, {True: 0.6, False: 0.4}, {True: 0.5, False: 0.2})
    statistics = measure(made, tracks, ["mot"])
    early = np.array([float(i in first_half(made)) for i in range(1, 9)])
    values = reduce(statistics, np.stack([early, 1 - early]))["operating_point", "mot", "IDF1"]
    assert values.tolist() == pytest.approx([2 * 4 / (4 + 8), 0.0])


def test_several_processes_choose_the_same() -> None:
    corpus = metric_corpus.load("small")
    assert evaluate(corpus.dataset, corpus.tracks, ["mot"], jobs=2) == evaluate(
        corpus.dataset, corpus.tracks, ["mot"]
    )
