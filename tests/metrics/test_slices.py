"""Slices: the number of each video by hand, a slice as a data set of its own, and the intervals."""

from __future__ import annotations

from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_corpus import rectangle, track, truth_track

from vis_bench.errors import DataError
from vis_bench.metrics.slices import (
    PROPERTIES,
    box_occlusion_rate,
    slice_values,
    video_slices,
    video_values,
)
from vis_bench.scoring import evaluate as scoring
from vis_bench.types import Dataset, TruthTrack

SIZE = (40, 60)
SEEDS = st.integers(0, 2**32 - 1)
N = None


def at(x: int, y: int = 0, width: int = 10, height: int = 10) -> np.ndarray:
    return rectangle(SIZE, x, y, width, height)


def values_of(truth: list[TruthTrack], length: int) -> dict[str, float]:
    """The numbers of the one video."""
    values = video_values(metric_corpus.dataset(truth, {1: length}, SIZE, categories=3))
    assert list(values) == [one.name for one in PROPERTIES]
    return {name: float(found[0]) for name, found in values.items()}


@pytest.mark.parametrize(
    ("boxes", "rate"),
    [
        ([(0, 0, 10, 10)], 0.0),
        ([(0, 0, 10, 10), (10, 0, 10, 10)], 0.0),
        ([(0, 0, 10, 10), (5, 0, 10, 10)], 50 / 150),
        ([(0, 0, 10, 10)] * 3, 1.0),
        ([(0, 0, 10, 10), (5, 0, 10, 10), (0, 5, 10, 10)], 75 / 200),
        ([(0, 0, 20, 20), (5, 5, 5, 5), (30, 0, 4, 5)], 25 / 420),
        ([(0.5, 0.5, 1, 1), (1, 1, 1, 1)], 0.25 / 1.75),
        ([(3, 3, 0, 0)], 0.0),
        ([], 0.0),
    ],
)
def test_box_occlusion_rate(boxes: list, rate: float) -> None:
    assert box_occlusion_rate(boxes) == pytest.approx(rate, abs=1e-12)


def test_the_numbers_of_a_video_by_hand() -> None:
    truth = [
        # 100 pixels in 3 of 4 frames; moves by half its width once and rests once: IoU 1/3 and 1
        truth_track(1, [at(0), at(5), at(5), N], category=1),
        # 50 pixels in 4 frames, at rest, under the first one in frame 0 only
        truth_track(2, [at(0, 0, 5)] * 4, category=2),
        # one frame, no speed; wide
        truth_track(3, [N, N, N, at(20, 20, 30, 10)], category=2),
    ]
    values = values_of(truth, 4)
    assert values["size"] == 100.0  # median of 100, 50, 300
    assert values["length"] == 3.0  # median of 3, 4, 1
    assert values["crowding"] == 2.0
    assert values["box overlap"] == pytest.approx((50 / 100 + 0 + 0 + 0) / 4)
    assert values["speed"] == pytest.approx((1 - (1 / 3 + 1) / 2) / 2)  # median of 1/3 and 0
    assert values["frequency"] == 1.0


def test_labels_of_occlusion_make_a_property_of_their_own() -> None:
    heavy, none = ["severe_occlusion"] * 2, ["no_occlusion"] * 2
    truth = [replace(truth_track(i, [at(0)] * 2), extra={"occlusion": x}) for i, x in ((1, heavy), (2, none))]
    assert values_of(truth, 2)["labelled occlusion"] == (0.75 + 0) / 2
    names = [one.property for one in video_slices(metric_corpus.dataset(truth, {1: 2}, SIZE)).slices]
    assert names.count("labelled occlusion") == names.count("box overlap") == 3
    plain = metric_corpus.dataset([truth_track(1, [at(0)] * 2)], {1: 2}, SIZE)
    assert "labelled occlusion" not in [one.property for one in video_slices(plain).slices]


def test_size_takes_the_annotated_areas() -> None:
    truth = [truth_track(1, [at(0), at(0), at(0)], areas=[0.0, 20000.0, 30000.0])]
    assert values_of(truth, 3)["size"] == 25000.0


def test_crowds_and_objects_without_a_mask_are_left_out() -> None:
    truth = [truth_track(1, [at(0)] * 2)]
    crowd = truth_track(2, [at(0, 0, 60, 40)] * 2, category=3, crowd=True)
    never = truth_track(3, [N, np.zeros(SIZE, dtype=bool)])
    np.testing.assert_equal(values_of([*truth, crowd, never], 2), values_of(truth, 2))
    assert all(np.isnan(value) for value in values_of([crowd, never], 2).values())


def test_truth_of_boxes_only() -> None:
    one = TruthTrack(1, 1, 1, False, (None, None), ((0.0, 0.0, 4.0, 4.0), (2.0, 0.0, 4.0, 4.0)), (16.0, 16.0))
    values = values_of([one], 2)
    assert (values["length"], values["size"]) == (2.0, 16.0)
    assert values["speed"] == pytest.approx(1 - 8 / 24)


def test_frequency_is_the_number_of_videos_of_the_rarest_category() -> None:
    truth = [
        truth_track(1, [at(0)], video=1, category=1),
        truth_track(2, [at(20)], video=1, category=1),
        truth_track(3, [at(0)], video=2, category=1),
        truth_track(4, [at(0)], video=2, category=2),
        truth_track(5, [at(0)], video=3, category=2, crowd=True),
    ]
    values = video_values(metric_corpus.dataset(truth, {1: 1, 2: 1, 3: 1}, SIZE, categories=2))
    np.testing.assert_array_equal(values["frequency"], [2, 1, np.nan])


def test_limits_belong_to_the_lower_slice() -> None:
    """One object counts as `one`, three as `few`, four as `many`; a mean area of 128^2 is still small."""
    truth = [
        truth_track(10 * video + k, [at(12 * k)], video=video, areas=[float(area)])
        for video, (count, area) in {1: (1, 128**2), 2: (3, 128**2 + 1), 3: (4, 256**2 + 1)}.items()
        for k in range(count)
    ]
    made = metric_corpus.dataset(truth, {1: 1, 2: 1, 3: 1, 4: 1}, SIZE)
    slices = video_slices(made)
    found = {
        (one.property, one.name): (row.tolist(), one.videos, one.tracks)
        for one, row in zip(slices.slices, slices.weights, strict=True)
    }
    assert slices.video_ids == (1, 2, 3, 4)
    assert found["crowding", "one"] == ([1, 0, 0, 0], 1, 1)
    assert found["crowding", "few"] == ([0, 1, 0, 0], 1, 3)
    assert found["crowding", "many"] == ([0, 0, 1, 0], 1, 4)
    assert found["size", "small"][0] == [1, 0, 0, 0]
    assert found["size", "medium"][0] == [0, 1, 0, 0]
    assert found["size", "large"][0] == [0, 0, 1, 0]
    assert found["speed", "slow"] == ([0, 0, 0, 0], 0, 0)


def many_videos(count: int) -> Dataset:
    truth = [truth_track(v, [at(0)], video=v) for v in range(1, count + 1)]
    return metric_corpus.dataset(truth, dict.fromkeys(range(1, count + 1), 1), SIZE)


@pytest.mark.parametrize(("videos", "small"), [(9, True), (10, False)])
def test_fewer_than_ten_videos_are_flagged(videos: int, small: bool) -> None:
    found = {(one.property, one.name): one for one in video_slices(many_videos(videos)).slices}
    assert found["crowding", "one"].videos == videos
    assert found["crowding", "one"].small is small
    assert found["crowding", "many"].small is True


def test_hidden_truth_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be sliced"):
        video_slices(replace(many_videos(1), tracks=None))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_order_does_not_matter_and_slices_part_the_videos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, _ = metric_corpus.random_corpus(rng)
    truth = made.tracks or ()
    slices = video_slices(made)
    other = replace(
        made, videos=made.videos[::-1], tracks=tuple(truth[i] for i in rng.permutation(len(truth)))
    )
    again = video_slices(other)
    assert again.slices == slices.slices
    np.testing.assert_array_equal(again.weights, slices.weights)
    values = video_values(made)
    unlabelled = [one for one in PROPERTIES if one.name != "labelled occlusion"]
    for k, one in enumerate(unlabelled):
        together = slices.weights[3 * k : 3 * k + 3].sum(axis=0)
        np.testing.assert_array_equal(together, (~np.isnan(values[one.name])).astype(float))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_slice_scores_like_a_data_set_of_its_videos(seed: int) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    slices = video_slices(made)
    statistics = scoring.measure(made, tracks, ["ap", "errors"])
    assert statistics.video_ids == slices.video_ids
    values = scoring.reduce(statistics, slices.weights)
    for s, row in enumerate(slices.weights):
        chosen = {video for video, weight in zip(slices.video_ids, row, strict=True) if weight}
        part = replace(
            made,
            videos=tuple(video for video in made.videos if video.id in chosen),
            tracks=tuple(one for one in made.tracks or () if one.video_id in chosen),
        )
        alone = scoring.measure(part, [one for one in tracks if one.video_id in chosen], ["ap", "errors"])
        for name, found in scoring.reduce(alone, np.ones((1, len(chosen)))).items():
            np.testing.assert_allclose(values[name][s], found[0], rtol=0, atol=1e-12, err_msg=str(name))


def test_intervals_are_seeded_and_contain_the_spread_of_the_videos() -> None:
    """For a mean the percentile interval is close to mean +- 1.96 standard errors."""
    slices = video_slices(many_videos(200))
    numbers = np.random.default_rng(5).normal(10, 2, 200)

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        total = weights.sum(axis=1)
        return {"mean": np.divide(weights @ numbers, total, out=np.full(len(total), np.nan), where=total > 0)}

    row = [(one.property, one.name) for one in slices.slices].index(("crowding", "one"))
    found = slice_values(mean, slices, seed=1)["mean"]
    error = numbers.std() / np.sqrt(200)
    assert found.value[row] == pytest.approx(numbers.mean())
    assert found.low[row] == pytest.approx(numbers.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high[row] == pytest.approx(numbers.mean() + 1.96 * error, abs=0.15 * error)
    again, other = slice_values(mean, slices, seed=1)["mean"], slice_values(mean, slices, seed=2)["mean"]
    assert (again.low[row], again.high[row]) == (found.low[row], found.high[row])
    assert other.low[row] != found.low[row]
    empty = [(one.property, one.name) for one in slices.slices].index(("crowding", "many"))
    assert np.isnan([found.value[empty], found.low[empty], found.high[empty]]).all()


def test_one_video_has_no_interval_and_undefined_draws_are_left_out() -> None:
    slices = video_slices(many_videos(1))
    one = slice_values(lambda weights: {"n": weights.sum(axis=1)}, slices)["n"]
    assert one.value.max() == 1.0
    assert np.isnan(one.low).all()

    two = video_slices(many_videos(2))
    only_first = slice_values(
        lambda weights: {"x": np.where(weights[:, 0] > 0, 7.0, np.nan), "y": np.full(len(weights), np.nan)},
        two,
    )
    row = [(s.property, s.name) for s in two.slices].index(("crowding", "one"))
    assert (only_first["x"].low[row], only_first["x"].high[row]) == (7.0, 7.0)
    assert np.isnan(only_first["y"].low[row])


def test_intervals_of_a_metric_by_name() -> None:
    made = many_videos(12)
    tracks = [track([at(0)], 0.9, video=v) for v in range(1, 7)]
    statistics = scoring.measure(made, tracks, ["mot"])
    slices = video_slices(made)
    found = slice_values(lambda weights: scoring.reduce(statistics, weights), slices, replicates=200)
    values = found["mot", "class_aware", "0.3", "IDR"]
    row = [(s.property, s.name) for s in slices.slices].index(("crowding", "one"))
    assert values.value[row] == 0.5
    assert 0.1 < values.low[row] < 0.5 < values.high[row] < 0.9
