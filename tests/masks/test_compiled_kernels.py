"""The compiled kernels and the parser of the extra `fast` give the numbers of the plain path, and leave it
what is odd."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vis_bench.errors import DataError
from vis_bench.files import FAST_SWITCH, json_parser, read_json
from vis_bench.masks.kernels import (
    MODULE,
    WORTH_MASKS,
    Kernels,
    PackedMasks,
    installed_kernels,
    kernels_in_use,
    load_kernels,
)
from vis_bench.masks.rle import encode
from vis_bench.masks.rle_check import BadCountsError, check_counts
from vis_bench.masks.rle_quick import compiled_areas
from vis_bench.metrics.mask_overlap import mask_areas, shared_masks
from vis_bench.scoring import evaluate as scoring

pytestmark = pytest.mark.skipif(
    installed_kernels() is None and shutil.which("cc") is None,
    reason="no C compiler when vis-bench was installed",
)


def kernels() -> Kernels:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FAST_SWITCH, "1")
        found = load_kernels(1)
    assert found is not None
    return found


def rows(seed: int, count: int, size: tuple[int, int], length: int) -> list[list]:
    rng = np.random.default_rng(seed)
    drawn = rng.random((count, length, *size)) < rng.random((count, length, 1, 1))
    absent = rng.random((count, length)) < 0.2
    return [[None if absent[i, t] else encode(drawn[i, t]) for t in range(length)] for i in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    counts=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_shared_pixels_equal_those_of_drawn_masks(seed, size, counts) -> None:
    first, second = rows(seed, counts[0], size, 3), rows(seed + 1, counts[1], size, 3)
    compared = np.random.default_rng(seed).random(counts) < 0.7
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FAST_SWITCH, "0")
        plain = shared_masks(first, second, compared, mask_areas(second, 3), 10**6)
        patch.setenv(FAST_SWITCH, "1")
        compiled = shared_masks(first, second, compared, mask_areas(second, 3), 0)
    np.testing.assert_array_equal(plain, compiled)
    drawn = [[None if rle is None else coco_mask.decode(rle) for rle in row] for row in (*first, *second)]
    for (t, g, d), found in np.ndenumerate(plain):
        one, other = drawn[g][t], drawn[len(first) + d][t]
        nothing = one is None or other is None or not compared[g, d]
        assert found == (0 if nothing else (one & other).sum())


@pytest.mark.parametrize("seed", range(6))
def test_all_metrics_are_identical(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, tracks = metric_corpus.random_corpus(np.random.default_rng(seed))
    monkeypatch.setenv(FAST_SWITCH, "0")
    plain = scoring.evaluate(made, tracks)
    monkeypatch.setenv(FAST_SWITCH, "1")
    assert scoring.evaluate(made, tracks) == plain


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_changed_byte_is_accepted_or_refused_alike(seed: int, data: st.DataObject) -> None:
    mask = np.random.default_rng(seed).random((12, 15)) < 0.3
    text = bytearray(encode(mask)["counts"])
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for switch in ("0", "1"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(FAST_SWITCH, switch)
            try:
                checked = check_counts([bytes(text)], [mask.size])
                outcomes.append((checked.counts, checked.areas.tolist()))
            except BadCountsError as error:
                outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_the_kernels_are_what_ran() -> None:
    """An ordinary mask is not left to the full check: 2 x 3 pixels, runs 1, 2, 3."""
    text = coco_mask.frPyObjects({"size": [2, 3], "counts": [1, 2, 3]}, 2, 3)["counts"]
    assert compiled_areas(kernels(), [text], np.array([6])).tolist() == [2]
    assert compiled_areas(kernels(), [text], np.array([7])) is None


def test_switch_and_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FAST_SWITCH, raising=False)
    assert load_kernels(WORTH_MASKS - 1) is None
    assert load_kernels(WORTH_MASKS) is kernels()
    monkeypatch.setenv(FAST_SWITCH, "0")
    assert load_kernels(10**9) is None
    assert json_parser() is None


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, "\\u00e9"]}', '{"score": NaN}', "[1e400]"])
def test_json_reads_alike(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    monkeypatch.setenv(FAST_SWITCH, "1")
    quick = read_json(path)
    monkeypatch.setenv(FAST_SWITCH, "0")
    assert repr(quick) == repr(read_json(path)) == repr(json.loads(text))


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(DataError, match="line 2 column 6"):
        read_json(path)


def test_the_version_says_which_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAST_SWITCH, "0")
    assert kernels_in_use() == "plain (VIS_BENCH_FAST=0)"
    monkeypatch.delenv(FAST_SWITCH)
    assert kernels_in_use() == "compiled"


def test_an_installation_without_kernels_takes_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)  # importing it raises ImportError
    installed_kernels.cache_clear()
    try:
        monkeypatch.setenv(FAST_SWITCH, "1")
        assert load_kernels(10**9) is None
        assert "no compiler" in kernels_in_use()
        assert check_counts([encode(np.ones((2, 3), bool))["counts"]], [6]).areas.tolist() == [6]
    finally:
        installed_kernels.cache_clear()


def test_kernels_of_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of the sources alone leaves the old library beside them."""
    old = SimpleNamespace(decode_masks=None, shared_pixels=None)
    monkeypatch.setattr("importlib.import_module", lambda name: old)
    installed_kernels.cache_clear()
    try:
        with pytest.raises(DataError, match=r"another version.*install vis-bench again"):
            installed_kernels()
    finally:
        installed_kernels.cache_clear()


def arrays(**changed: np.ndarray | None) -> list[np.ndarray | None]:
    """Arguments of decode_masks for one mask of 2 x 3 pixels, runs 1, 2, 3, with some of them changed."""
    given: dict[str, np.ndarray | None] = {
        "text": np.frombuffer(b"123", np.uint8),
        "begin": np.array([0]),
        "end": np.array([3]),
        "escaped": np.zeros(1, np.uint8),
        "pixels": np.array([6]),
        "edges": np.empty(3, np.int32),
        "first_edge": np.zeros(2, np.int64),
        "areas": np.zeros(1, np.int64),
    }
    return list((given | changed).values())


def test_decoding_one_mask_by_hand() -> None:
    given = arrays()
    assert kernels().compiled.decode_masks(*given)
    assert given[5].tolist() == [1, 3, 6]
    assert given[6].tolist() == [0, 3]
    assert given[7].tolist() == [2]


def test_a_mask_that_is_not_ordinary_is_marked_and_the_next_one_is_read() -> None:
    """Runs 1, 0, 5 and 1, 2, 3 of images of 2 x 3 pixels."""
    packed = PackedMasks.of([b"105", b"123"])
    edges, first_edge, areas = np.zeros(6, np.int32), np.zeros(3, np.int64), np.zeros(2, np.int64)
    assert not kernels().decode_masks(packed, np.array([6, 6]), edges, first_edge, areas)
    assert areas.tolist() == [-1, 2]
    assert first_edge.tolist() == [0, 0, 3]
    assert edges[:3].tolist() == [1, 3, 6]


def test_tight_boxes_by_hand() -> None:
    """Images of 3 x 4 pixels: rows 1 to 2 of column 1, one run over two columns, everything, nothing."""
    packed = PackedMasks.of([b"426", b"227", b"0<", b"<"])
    boxes = np.ones((4, 4))
    kernels().tight_boxes(packed, np.full(4, 3), boxes)
    assert boxes.tolist() == [[1, 1, 1, 2], [0, 0, 2, 3], [0, 0, 4, 3], [0, 0, 0, 0]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_tight_boxes_equal_those_of_pycocotools(seed: int, size: tuple[int, int]) -> None:
    masks = [rle for row in rows(seed, 4, size, 3) for rle in row if rle is not None]
    boxes = np.zeros((len(masks), 4))
    kernels().tight_boxes(
        PackedMasks.of([rle["counts"] for rle in masks]), np.full(len(masks), size[0]), boxes
    )
    np.testing.assert_array_equal(boxes, np.array([coco_mask.toBbox(rle) for rle in masks]).reshape(-1, 4))


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"begin": np.array([0], np.int32)}, TypeError, "begin: a contiguous array of another kind"),
        ({"begin": np.array([0.0])}, TypeError, "begin: a contiguous array of another kind"),
        ({"text": np.frombuffer(b"1x2x3x", np.uint8)[::2]}, TypeError, "text: a contiguous array"),
        ({"areas": frozen(np.zeros(1, np.int64))}, TypeError, "areas: .* can be written"),
        ({"end": np.array([4])}, ValueError, "within the text"),
        ({"begin": np.array([-1])}, ValueError, "within the text"),
        ({"begin": np.array([3]), "end": np.array([2])}, ValueError, "within the text"),
        ({"begin": np.array([0, 1])}, ValueError, "a number per mask"),
        ({"edges": np.empty(2, np.int32)}, ValueError, "room for"),
        ({"areas": np.zeros(0, np.int64)}, ValueError, "a number per mask"),
        ({"text": None}, TypeError, "text: a contiguous array"),
    ],
)
def test_arrays_that_decoding_would_misread_are_refused(changed, error, text) -> None:
    with pytest.raises(error, match=text):
        kernels().compiled.decode_masks(*arrays(**changed))


@pytest.mark.parametrize(
    ("first_edge", "first", "error", "text"),
    [
        (np.array([0, 2]), np.array([0], np.int32), TypeError, "i: .* another kind"),
        (np.array([0, 3]), np.array([0]), ValueError, "within edges"),
        (np.array([2, 0]), np.array([0]), ValueError, "within edges"),
        (np.array([0, 2]), np.array([1]), ValueError, "numbers of masks"),
        (np.array([0, 2]), np.array([-1]), ValueError, "numbers of masks"),
        (np.array([0, 2]), np.array([0, 0]), ValueError, "one number per pair"),
    ],
)
def test_arrays_that_overlap_would_misread_are_refused(first_edge, first, error, text) -> None:
    edges, other = np.array([1, 2], np.int32), np.array([0, 2])
    with pytest.raises(error, match=text):
        kernels().compiled.shared_pixels(edges, first_edge, edges, other, first, np.array([0]), np.zeros(1))
    if error is ValueError and len(first) == 1:
        with pytest.raises(error, match=text):
            kernels().compiled.shared_pixels(
                edges, other, edges, first_edge, np.array([0]), first, np.zeros(1)
            )


def test_arrays_that_lifting_would_overwrite_are_refused() -> None:
    text, room = np.frombuffer(b"[]", np.uint8), np.zeros(1, np.int64)
    lift = kernels().compiled.lift_masks
    with pytest.raises(ValueError, match="room for the text"):
        lift(text, np.zeros(1, np.uint8), room, room, room, room, room)
    with pytest.raises(ValueError, match="same length"):
        lift(text, np.zeros(2, np.uint8), room, room, np.zeros(2, np.int64), room, room)
    with pytest.raises(TypeError, match=r"rest: .* can be written"):
        lift(text, text, room, room, room, room, room)
