"""Weights on videos: zeros drop a video, multiplicities repeat it, ones give the score."""

from __future__ import annotations

from dataclasses import replace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.metrics import average_precision, video_ap
from vis_bench.metrics.overlap import video_overlap
from vis_bench.scoring import evaluate as scoring
from vis_bench.scoring.operating_point import placed
from vis_bench.types import Dataset, Track

SEEDS = st.integers(0, 2**32 - 1)


def only(made: Dataset, tracks: list[Track], chosen: set[int]) -> tuple[Dataset, list[Track]]:
    part = replace(
        made,
        videos=tuple(video for video in made.videos if video.id in chosen),
        tracks=tuple(track for track in made.tracks or () if track.video_id in chosen),
    )
    return part, [track for track in tracks if track.video_id in chosen]


def repeated(made: Dataset, tracks: list[Track], times: dict[int, int]) -> tuple[Dataset, list[Track]]:
    """The data set with video i present times[i] times; the copies follow each other in the order of ids."""
    videos, truth, found = [], [], []
    for video in made.videos:
        for copy in range(times[video.id]):
            new = video.id * 100 + copy
            videos.append(replace(video, id=new))
            truth += [replace(one, video_id=new) for one in made.tracks or () if one.video_id == video.id]
            found += [replace(one, video_id=new) for one in tracks if one.video_id == video.id]
    return replace(made, videos=tuple(videos), tracks=tuple(truth)), found


def assert_same(weighted: dict, direct: dict) -> None:
    for name, values in direct.items():
        np.testing.assert_allclose(weighted[name], values, rtol=0, atol=1e-12, err_msg=str(name))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_zero_weights_drop_videos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng)
    statistics = scoring.measure(made, tracks, at=placed((0.3,), "val", made))
    weights = rng.integers(0, 2, (1, len(made.videos))).astype(float)
    chosen = {video for video, weight in zip(statistics.video_ids, weights[0], strict=True) if weight}
    part = scoring.measure(*only(made, tracks, chosen), at=placed((0.3,), "val", made))
    assert_same(scoring.reduce(statistics, weights), scoring.reduce(part, np.ones((1, len(chosen)))))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_multiplicities_repeat_videos(seed: int) -> None:
    """Scores are made distinct: among equal scores of a video the copies would be interleaved differently.

    Frame AP is left out for the same reason: the masks of one track always share its score.
    """
    rng = np.random.default_rng(seed)
    made, tracks = metric_corpus.random_corpus(rng)
    scores = rng.permutation(len(tracks)) / 100 + 0.01
    tracks = [replace(track, score=float(score)) for track, score in zip(tracks, scores, strict=True)]
    metrics = ["ap", "mot", "hota", "duplicates"]
    statistics = scoring.measure(made, tracks, metrics, at=placed((0.3,), "val", made))
    weights = rng.integers(0, 4, (1, len(made.videos))).astype(float)
    times = dict(zip(statistics.video_ids, weights[0].astype(int).tolist(), strict=True))
    copies, found = repeated(made, tracks, times)
    many = scoring.measure(copies, found, metrics, at=placed((0.3,), "val", copies))
    assert_same(scoring.reduce(statistics, weights), scoring.reduce(many, np.ones((1, sum(times.values())))))


def test_rows_of_weights_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many replicates at once, also in blocks, give what each gives alone."""
    corpus = metric_corpus.load("small")
    statistics = scoring.measure(corpus.dataset, corpus.tracks)
    weights = np.random.default_rng(0).integers(0, 3, (7, len(corpus.dataset.videos))).astype(float)
    together = scoring.reduce(statistics, weights)
    alone = [scoring.reduce(statistics, row[None]) for row in weights]
    for name, values in together.items():
        assert values.shape == (7,)
        # a mean of 1,010 numbers of at most 1 may be summed in another order
        np.testing.assert_allclose(values, [one[name][0] for one in alone], rtol=0, atol=1e-12)
    monkeypatch.setattr(average_precision, "WEIGHT_BLOCK", 1)
    for name, values in scoring.reduce(statistics, weights).items():
        np.testing.assert_allclose(values, together[name], rtol=0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_leaving_out_one_video_is_a_row_of_its_own(seed: int) -> None:
    """Categories that a video does not have are counted once for all rows; no number changes."""
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    statistics = scoring.measure(made, tracks, ["ap"]).video_ap
    assert statistics is not None
    count = len(statistics.video_ids)
    weights = np.concatenate([np.ones((1, count)), 1.0 - np.eye(count)])
    together = video_ap.reduce_categories(statistics, weights)
    for row, alone in enumerate(weights):
        for name, values in video_ap.reduce_categories(statistics, alone[None]).items():
            np.testing.assert_array_equal(together[name][row], values[0])


def test_videos_may_be_gathered_in_any_order() -> None:
    """Ties go by ascending video id whatever the order in which the videos were measured."""
    corpus = metric_corpus.load("small")
    matches = []
    for video in corpus.dataset.videos:
        found = [one for one in corpus.tracks if one.video_id == video.id]
        truth = corpus.dataset.tracks_by_video[video.id]
        matches.append(video_ap.per_video(video_overlap(video.id, video.length, truth, found)))
    ids = [category.id for category in corpus.dataset.categories]
    assert [one.video_id for one in matches] != sorted(one.video_id for one in matches)
    precision, _ = video_ap.precision_recall(video_ap.gather(matches, ids))
    np.testing.assert_array_equal(precision, corpus.arrays["precision"])


@pytest.mark.parametrize(
    "weights", [np.ones(17), np.ones((1, 16)), -np.ones((1, 17)), np.full((1, 17), np.nan)]
)
def test_bad_weights_are_refused(weights: np.ndarray) -> None:
    corpus = metric_corpus.load("small")
    statistics = scoring.measure(corpus.dataset, corpus.tracks, ["ap"]).video_ap
    with pytest.raises(ValueError, match="weights"):
        video_ap.reduce(statistics, weights)
