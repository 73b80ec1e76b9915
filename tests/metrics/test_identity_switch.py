"""An identity switch, and what it costs in AP and IDF1, worked out by hand."""

import numpy as np
import pytest

from vis_bench.masks.rle import encode
from vis_bench.scoring.evaluate import evaluate
from vis_bench.types import Category, Dataset, Track, TruthTrack, Video

FRAMES, AREA = 8, 16


def square(left):
    mask = np.zeros((8, 24), bool)
    mask[2:6, left : left + 4] = True
    return encode(mask)


def swapped_from(frame):
    """Two objects of 4x4 pixels that stand still and apart; the two predictions exchange them at `frame`."""
    first, second = square(2), square(16)
    video = Video(1, "v", 24, 8, tuple(f"v/{i}.jpg" for i in range(FRAMES)))
    truth = tuple(
        TruthTrack(i, 1, 1, False, (rle,) * FRAMES, ((x, 2.0, 4.0, 4.0),) * FRAMES, (AREA,) * FRAMES)
        for i, rle, x in ((1, first, 2.0), (2, second, 16.0))
    )
    dataset = Dataset("hand", "val", (video,), (Category(1, "c"),), truth, None, "", "")
    tracks = [
        Track(1, 1, score, (before,) * frame + (after,) * (FRAMES - frame))
        for score, before, after in ((0.9, first, second), (0.8, second, first))
    ]
    return evaluate(dataset, tracks)


def test_no_switch_is_perfect():
    result = swapped_from(FRAMES)
    assert result["video_ap"]["AP"] == pytest.approx(1, abs=1e-12)
    assert result["mot"]["class_agnostic"]["0.3"]["IDF1"] == 1.0


def test_a_switch_halfway():
    """Track IoU: 4 frames agree (4 * 16), 4 do not (4 * 32): 64 / 192 = 1/3, below every threshold: AP 0.

    IDF1: each identity is right in 4 of 8 frames: 2 * 8 / (16 + 16) = 0.5. Frames are right: frame AP 1.
    """
    result = swapped_from(4)
    assert result["video_ap"]["AP"] == 0.0
    for mode in ("class_agnostic", "class_aware"):
        row = result["mot"][mode]["0.3"]
        assert (row["IDF1"], row["IDs"], row["FP"], row["FN"]) == (0.5, 2, 0, 0)
        assert row["MOTA"] == pytest.approx(1 - 2 / 16)
    assert result["frame_ap"]["AP"] == pytest.approx(1, abs=1e-12)


def test_a_late_switch_costs_the_strict_thresholds():
    """Six frames agree, two do not: 96 / (96 + 64) = 0.6, enough for 0.50, 0.55 and 0.60 of ten: AP 0.3.

    IDF1: 12 of 16 frames keep their identity: 2 * 12 / 32 = 0.75.
    """
    result = swapped_from(6)
    assert result["video_ap"]["AP"] == pytest.approx(0.3, abs=1e-12)
    assert result["video_ap"]["AP50"] == pytest.approx(1, abs=1e-12)
    assert result["video_ap"]["AP75"] == 0.0
    assert result["mot"]["class_agnostic"]["0.0"]["IDF1"] == 0.75
