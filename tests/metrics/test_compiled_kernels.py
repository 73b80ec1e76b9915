"""The compiled kernels of the extra `fast` give the numbers of the plain path, and leave it what is odd."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import metric_corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vis_bench import evaluate as scoring
from vis_bench import fast, rle_kernels
from vis_bench.data.rle_check import BadCountsError, check_counts
from vis_bench.data.rle_quick import compiled_areas
from vis_bench.errors import DataError
from vis_bench.files import read_json
from vis_bench.metrics.mask_overlap import mask_areas, shared_masks
from vis_bench.rle import encode
from vis_bench.rle_kernels import Kernels

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or importlib.util.find_spec("orjson") is None,
    reason="no C compiler, or the extra `fast` is not installed",
)


def kernels() -> Kernels:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fast.SWITCH, "1")
        found = fast.load_kernels(1)
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
        patch.setenv(fast.SWITCH, "0")
        plain = shared_masks(first, second, compared, mask_areas(second, 3), 10**6)
        patch.setenv(fast.SWITCH, "1")
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
    monkeypatch.setenv(fast.SWITCH, "0")
    plain = scoring.evaluate(made, tracks)
    monkeypatch.setenv(fast.SWITCH, "1")
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
            patch.setenv(fast.SWITCH, switch)
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
    monkeypatch.delenv(fast.SWITCH, raising=False)
    assert fast.load_kernels(fast.WORTH_MASKS - 1) is None
    assert fast.load_kernels(fast.WORTH_MASKS) is kernels()
    monkeypatch.setenv(fast.SWITCH, "0")
    assert fast.load_kernels(10**9) is None
    assert fast.json_parser() is None


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, "\\u00e9"]}', '{"score": NaN}', "[1e400]"])
def test_json_reads_alike(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    monkeypatch.setenv(fast.SWITCH, "1")
    quick = read_json(path)
    monkeypatch.setenv(fast.SWITCH, "0")
    assert repr(quick) == repr(read_json(path)) == repr(json.loads(text))


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(DataError, match="line 2 column 6"):
        read_json(path)


def test_kernels_are_built_once_and_done_without_where_they_cannot_be(tmp_path: Path, monkeypatch) -> None:
    good, broken = tmp_path / "good", tmp_path / "broken"
    assert isinstance(rle_kernels.load(good), Kernels)
    (built,) = good.iterdir()
    assert built.suffix == ".so"
    monkeypatch.setenv("CC", "no-such-compiler")
    assert isinstance(rle_kernels.load(good), Kernels)  # nothing to build
    assert rle_kernels.load(broken) is None
    monkeypatch.setenv("CC", "false")  # a compiler that fails
    assert rle_kernels.load(broken) is None
    assert list(broken.iterdir()) == []
    (broken / built.name).write_bytes(b"no library")
    assert rle_kernels.load(broken) is None


def test_an_array_that_the_kernels_would_misread_is_refused() -> None:
    whole = np.zeros(4, dtype=np.int64)
    for wrong in (whole.astype(np.int32), whole[::2]):
        with pytest.raises(TypeError, match="contiguous array of int64"):
            kernels().shared_pixels(np.zeros(2, np.int32), wrong, whole[:0], whole[:0], np.zeros(0))
