"""A whole track is taken as its segmentations are one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.data.segmentations import SegmentationBatch, are_finite_numbers, is_finite_number
from vis_bench.errors import DataError
from vis_bench.masks.rle import encode
from vis_bench.types import Video

HEIGHT, WIDTH, LENGTH = 6, 8, 4
VIDEO = Video(1, "v", WIDTH, HEIGHT, tuple(f"{t}.jpg" for t in range(LENGTH)))


def compressed(seed: int) -> dict:
    rle = encode(np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.4)
    return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode("ascii")}


SEGMENTATIONS = st.one_of(
    st.none(),
    st.builds(compressed, st.integers(0, 50)),
    st.just({"size": [HEIGHT, WIDTH], "counts": [10, 20, HEIGHT * WIDTH - 30]}),
    st.just({"size": [HEIGHT, WIDTH], "counts": encode(np.ones((HEIGHT, WIDTH), bool))["counts"]}),
    st.just([[1.0, 1.0, 6.0, 1.0, 6.0, 5.0]]),
)
WRONG = [
    {"size": [WIDTH, HEIGHT], "counts": "a"},
    {"size": [HEIGHT, WIDTH]},
    {"size": [HEIGHT, WIDTH], "counts": 3},
    {"size": [HEIGHT, WIDTH], "counts": "\ud800"},
    {"size": [HEIGHT, WIDTH], "counts": "0"},
    "text",
    5,
]


def batch() -> SegmentationBatch:
    return SegmentationBatch(lambda record, frame: f"record {record} frame {frame}")


def taken(tracks: list[list], whole: bool) -> list[list[dict | None]]:
    """Masks of every track, taken as whole tracks or one by one."""
    into = batch()
    numbers = []
    for record, track in enumerate(tracks):
        if whole:
            numbers.append(into.add_track(track, VIDEO, record))
        else:
            numbers.append(
                [None if v is None else into.add(v, VIDEO, record, t) for t, v in enumerate(track)]
            )
    rles, _ = into.finish()
    return [[None if slot is None else rles[slot] for slot in own] for own in numbers]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(SEGMENTATIONS, min_size=LENGTH, max_size=LENGTH), max_size=4))
def test_a_track_is_its_segmentations(tracks: list[list]) -> None:
    assert taken(tracks, whole=True) == taken(tracks, whole=False)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("frame", [0, 2])
def test_what_is_wrong_is_named_by_record_and_frame(wrong: object, frame: int) -> None:
    track: list[object] = [compressed(0), None, compressed(1), compressed(2)]
    track[frame] = wrong
    with pytest.raises(DataError, match=f"record 1 frame {frame}"):
        taken([[compressed(3), None, None, compressed(4)], track], whole=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], True),
        ([1, 2.5, -3], True),
        ([1, True], False),
        ([1.0, float("nan")], False),
        ([float("inf")], False),
        ([10**400], False),
        ([1, "2"], False),
        ([None], False),
    ],
)
def test_finite_numbers_together_are_those_one_by_one(values: list[object], expected: bool) -> None:
    assert are_finite_numbers(values) is expected
    assert all(map(is_finite_number, values)) is expected
