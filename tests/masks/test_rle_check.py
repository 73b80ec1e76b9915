import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from ytvis_files import runs, square

from vis_bench.masks.rle_check import BadCountsError, check_counts, compress_runs, decode_runs

masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)
)


def encoded(mask):
    return coco_mask.encode(np.asfortranarray(mask))["counts"]


def test_runs_of_a_square_by_hand():
    # 3x2 image, pixels (row 1, column 0) and (row 1, column 1): columns are 0 1 0 | 0 1 0
    assert decode_runs(encoded(np.array([[0, 0], [1, 1], [0, 0]], np.uint8))).tolist() == [1, 1, 2, 1, 1]


def test_counts_string_by_hand():
    # 5 is '5'. 40 = 8 + 32: group 8 with the bit for more (40, 'X'), then group 1 ('1'). 3 is '3'. The fourth
    # run is written as 38 - 40 = -2, five bits 30, 'N'.
    compressed = compress_runs([np.array([5, 40, 3, 38])], [86])
    assert compressed.counts == [b"5X13N"]
    assert compressed.areas.tolist() == [78]


@settings(max_examples=60, deadline=None)
@given(st.lists(masks, min_size=1, max_size=6))
def test_batches_agree_with_pycocotools(batch):
    texts = [encoded(mask) for mask in batch]
    pixels = [mask.size for mask in batch]
    checked = check_counts(texts, pixels)
    assert checked.counts == texts
    assert checked.areas.tolist() == [int(mask.sum()) for mask in batch]
    assert [decode_runs(text).tolist() for text in texts] == [runs(mask) for mask in batch]
    compressed = compress_runs([np.array(runs(mask)) for mask in batch], pixels)
    assert compressed.counts == texts
    assert compressed.areas.tolist() == checked.areas.tolist()


@pytest.mark.parametrize("height", [1, 31, 32, 720])
@pytest.mark.parametrize("width", [1, 33, 1280])
def test_long_runs(height, width):
    mask = square(height // 3, width // 3, max(1, height // 2), max(1, width // 2), (height, width))
    assert check_counts([encoded(mask)], [mask.size]).areas.tolist() == [mask.sum()]


def test_many_chunks_keep_their_order():
    rng = np.random.default_rng(0)
    batch = [(rng.random((30, 40)) < 0.5).astype(np.uint8) for _ in range(600)]
    texts = [encoded(mask) for mask in batch]
    assert sum(map(len, texts)) > 300_000
    assert check_counts(texts, [1200] * 600).areas.tolist() == [int(mask.sum()) for mask in batch]
    texts[517] = texts[517][:-1]
    with pytest.raises(BadCountsError) as caught:
        check_counts(texts, [1200] * 600)
    assert caught.value.index == 517


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "do not fill"),
        (b"Q", "not run-length text"),  # -15 | 'more' bit on the last character: cut off
        (encoded(square(1, 1, 3, 3)) + b"1", "overrun"),
        (encoded(square(1, 1, 3, 3))[:-1], "not run-length text|do not fill"),
        (b"5 3", "not run-length text"),
        (b"\xc3\xa9", "not run-length text"),
        (b"ooooooooo0", "not run-length text"),
        (b"O" + b"X7", "negative run"),
    ],
)
def test_bad_text_is_refused(text, reason):
    good = encoded(square(1, 1, 3, 3))
    with pytest.raises(BadCountsError, match=reason) as caught:
        check_counts([good, text, good], [240, 240, 240])
    assert caught.value.index == 1


def test_bad_uncompressed_runs_are_refused():
    with pytest.raises(BadCountsError, match="cover 241 pixels and overrun the image of 240") as caught:
        compress_runs([np.array([240]), np.array([200, 41])], [240, 240])
    assert caught.value.index == 1
    with pytest.raises(BadCountsError, match="longer than any image"):
        compress_runs([np.array([240, 2**62, 2**62, 2**62, 2**62])], [240])  # the sum wraps to 240
    with pytest.raises(BadCountsError, match="negative"):
        compress_runs([np.array([250, -10])], [240])


def test_runs_of_length_zero_are_merged():
    # 2 background, 3 foreground written as 1 + 0 + 2, 1 background, and an empty run at the end
    checked = compress_runs([np.array([2, 1, 0, 2, 1, 0])], [6])
    assert decode_runs(checked.counts[0]).tolist() == [2, 3, 1]
    assert checked.areas.tolist() == [3]
    assert check_counts(checked.counts, [6]).counts == checked.counts


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30))
def test_arbitrary_bytes_either_fail_or_are_a_whole_mask(text):
    try:
        checked = check_counts([text], [36])
    except BadCountsError:
        return
    assert coco_mask.decode({"size": [6, 6], "counts": checked.counts[0]}).sum() == checked.areas[0]
