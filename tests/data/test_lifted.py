"""Files read with their masks left in the text give what the usual reading gives, or are read that way."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vis_bench.data.lifted import parse_lifted
from vis_bench.data.predictions import parse_results, read_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import DataError
from vis_bench.files import FAST_SWITCH, FILE_BYTES_VARIABLE, read_bytes
from vis_bench.integrations.formats.scored import open_truth_file, read_predictions_file
from vis_bench.masks.kernels import installed_kernels
from vis_bench.masks.mask_text import MaskRow
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.files import evaluate as evaluate_files

pytestmark = pytest.mark.skipif(
    installed_kernels() is None and shutil.which("cc") is None,
    reason="no C compiler when vis-bench was installed",
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "metrics"
HEIGHT, WIDTH = 12, 17


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAST_SWITCH, "1")


def counts(seed: int) -> str:
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.4
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode()


def rle(seed: int) -> dict[str, Any]:
    return {"size": [HEIGHT, WIDTH], "counts": counts(seed)}


TRUTH = {
    "videos": [{"id": 1, "width": WIDTH, "height": HEIGHT, "file_names": ["a/0.jpg", "a/1.jpg", "a/2.jpg"]}],
    "categories": [{"id": 1, "name": "one"}],
    "annotations": [{"id": 5, "video_id": 1, "category_id": 1, "segmentations": [rle(0), None, rle(1)]}],
}


def results(*tracks: list[Any]) -> list[dict[str, Any]]:
    return [
        {"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": masks, "note": 'a "quoted" \\ text'}
        for masks in tracks
    ]


def lifted(content: Any) -> Any:
    return parse_lifted(json.dumps(content).encode(), "file")


def test_masks_stay_in_the_text_and_are_what_they_were() -> None:
    masks = [rle(2), None, rle(3)]
    (track,) = lifted(results(masks))
    row = track["segmentations"]
    assert isinstance(row, MaskRow)
    assert track["note"] == 'a "quoted" \\ text'
    as_bytes = [None if m is None else {**m, "counts": m["counts"].encode()} for m in masks]
    found = [None if m is None else {"size": m["size"], "counts": m["counts"]} for m in row]
    assert found == as_bytes
    areas = [0 if m is None else int(coco_mask.area(m)) for m in as_bytes]
    assert row.areas().tolist() == areas
    assert [0 if m is None else m["area"] for m in row] == areas
    boxes = row.boxes()
    assert np.isnan(boxes[1]).all()
    for t in (0, 2):
        assert boxes[t].tolist() == coco_mask.toBbox(as_bytes[t]).tolist()


def test_a_row_is_like_a_tuple() -> None:
    row = lifted(results([rle(2), None, rle(3)]))[0]["segmentations"]
    plain = tuple(row)
    assert row == plain
    assert plain == row
    assert row != plain[:2]
    assert row[1:] == plain[1:]
    assert row[-1] == plain[-1]
    assert len(row) == 3
    assert repr(row) == repr(plain)
    # neither copies nor pickles hold the text of the file
    assert type(copy.deepcopy(row)) is tuple
    assert pickle.loads(pickle.dumps(row)) == plain
    with pytest.raises(TypeError):
        hash(row)


ORDINARY: dict[str, Callable[[], str]] = {
    "other order": lambda: json.dumps(results([{"counts": counts(4), "size": [HEIGHT, WIDTH]}, None, None])),
    "spaces": lambda: json.dumps(results([rle(4), None, rle(5)]), indent=3),
    "no spaces": lambda: json.dumps(results([rle(4), None, rle(5)]), separators=(",", ":")),
    "several tracks": lambda: json.dumps(results([rle(4), rle(5), rle(6)], [None, None, rle(7)])),
    "text of other alphabets": lambda: json.dumps(
        [{**results([rle(4), None, None])[0], "note": "größer \u4e00 \U0001f600"}], ensure_ascii=False
    ),
}
UNUSUAL: dict[str, Callable[[], str]] = {
    "escaped character": lambda: json.dumps(results([rle(4), None, None])).replace(
        counts(4), f"\\u{ord(counts(4)[0]):04x}{counts(4)[1:]}"
    ),
    "counts escaped": lambda: json.dumps(results([{**rle(0), "counts": "XX"}, None, None])).replace(
        "XX", "".join(f"\\u{ord(c):04x}" for c in counts(0))
    ),
    "runs of length 0": lambda: json.dumps(
        results(
            [{"size": [HEIGHT, WIDTH], "counts": _text([3, 0, 5, 100, HEIGHT * WIDTH - 108])}, None, None]
        )
    ),
    "mark in a text": lambda: json.dumps(results([rle(4), None, None])).replace("quoted", "\x7f0 1"),
    "escaped mark": lambda: json.dumps(results([rle(4), None, None])).replace("quoted", "\\u007F0 1"),
    "key twice": lambda: json.dumps(results([rle(4), None, None])).replace(
        '"note"', f'"segmentations": {json.dumps([rle(6), rle(7), None])}, "note"'
    ),
    "masks elsewhere": lambda: json.dumps(
        [{**results([rle(4), None, None])[0], "older": {"segmentations": [rle(5), rle(6)]}}]
    ),
}
MIXED: dict[str, Callable[[], str]] = {
    "absent in other words": lambda: json.dumps(results([rle(4), [], {}], [rle(4), None, rle(5)])),
    "uncompressed": lambda: json.dumps(
        results(
            [{"size": [HEIGHT, WIDTH], "counts": [4, 100, HEIGHT * WIDTH - 104]}, rle(5), None], [rle(4)] * 3
        )
    ),
    "polygons": lambda: json.dumps(results([[[1, 1, 9, 1, 9, 9]], rle(5), None], [rle(4)] * 3)),
    "a third member": lambda: json.dumps(results([{**rle(5), "area": 3}, None, None], [rle(4)] * 3)),
}


def _text(runs: list[int]) -> str:
    """Compressed as pycocotools does it, runs of length 0 included."""
    return coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": runs}, HEIGHT, WIDTH)["counts"].decode()


def as_tracks(text: str, switch: str) -> Any:
    """The tracks of a results file, or the error."""
    dataset = parse_dataset(TRUTH, "truth", None, "made", "truth", "")
    path = Path("results.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FAST_SWITCH, switch)
        payload = parse_lifted(text.encode(), str(path))
        try:
            return parse_results(json.loads(text) if payload is None else payload, dataset, str(path))
        except DataError as error:
            return str(error)


@pytest.mark.parametrize("name", [*ORDINARY, *UNUSUAL, *MIXED])
def test_tracks_are_those_of_the_usual_reading(name: str) -> None:
    text = {**ORDINARY, **UNUSUAL, **MIXED}[name]()
    plain = as_tracks(text, "0")
    assert isinstance(plain, list)
    assert as_tracks(text, "1") == plain


@pytest.mark.parametrize("name", [*ORDINARY, *MIXED])
def test_ordinary_lists_are_lifted_whatever_stands_beside_them(name: str) -> None:
    payload = parse_lifted({**ORDINARY, **MIXED}[name]().encode(), "file")
    assert any(isinstance(one["segmentations"], MaskRow) for one in payload)


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_files_are_read_as_a_whole(name: str) -> None:
    assert parse_lifted(UNUSUAL[name]().encode(), "file") is None


def test_a_list_without_a_mask_ends_where_it_ends() -> None:
    """What follows it is no part of it, or broken JSON would be read."""
    broken = '[{"segmentations": [null], {"size": [12, 17], "counts": "' + counts(0) + '"}]}]'
    assert parse_lifted(broken.encode(), "file") is None
    with pytest.raises(ValueError, match="Expecting property name"):
        json.loads(broken)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_byte_gives_the_same_tracks_or_the_same_error(data: st.DataObject) -> None:
    text = bytearray(json.dumps(results([rle(4), None, rle(5)], [rle(6), rle(7), None])).encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 127))
    try:
        json.loads(text)
    except ValueError:
        assert parse_lifted(bytes(text), "file") is None
        return
    try:
        plain = as_tracks(text.decode(), "0")
    except Exception as error:  # noqa: BLE001 - whatever it is, the other way has to do the same
        with pytest.raises(type(error)):
            as_tracks(text.decode(), "1")
        return
    assert as_tracks(text.decode(), "1") == plain


@pytest.mark.parametrize(
    "change",
    [
        lambda track: track["segmentations"][0].update(size=[WIDTH, HEIGHT]),
        lambda track: track["segmentations"].append(None),
        lambda track: track["segmentations"][0].update(counts="0"),
        lambda track: track["segmentations"][0].update(counts=3),
        lambda track: track.update(segmentations=[4, rle(0), None]),
        lambda track: track.update(segmentations="\x7f0 3"),
        lambda track: track.pop("segmentations"),
    ],
)
def test_errors_are_those_of_the_usual_reading(change: Callable[[dict[str, Any]], object]) -> None:
    tracks = results([rle(4), None, None], [rle(5), None, rle(6)])
    change(tracks[1])
    text = json.dumps(tracks)
    plain = as_tracks(text, "0")
    assert isinstance(plain, str)
    assert as_tracks(text, "1") == plain


def test_files_score_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gt", "pred"):
        raw = gzip.decompress((FIXTURES / f"ovis_{name}.json.gz").read_bytes())
        (tmp_path / f"{name}.json").write_bytes(raw)
        (tmp_path / f"{name}.json.gz").write_bytes(gzip.compress(raw))
    found = []
    for switch, ending in (("0", "json"), ("1", "json"), ("1", "json.gz")):
        monkeypatch.setenv(FAST_SWITCH, switch)
        for kind in ("segm", "bbox"):
            truth, predictions = (str(tmp_path / f"{name}.{ending}") for name in ("gt", "pred"))
            dataset = open_truth_file(Path(truth))
            tracks = read_predictions_file(Path(predictions), dataset)
            rows = sum(isinstance(one.segmentations, MaskRow) for one in (*dataset.tracks, *tracks))
            assert (rows > 100) == (switch == "1")
            assert read_results(Path(predictions), dataset) == tracks
            found.append((kind, evaluate(dataset, tracks, iou_type=kind)))
            found.append((kind, evaluate_files(predictions, truth, iou_type="segm", metrics="all", jobs=2)))
    assert found[0] == found[4] == found[8]
    assert found[2] == found[6] == found[10]
    assert found[1] == found[5] == found[9]


def test_text_hash_and_limits_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "truth.json"
    text = json.dumps({**TRUTH, "padding": "x" * (1 << 20)})
    path.write_text(text)
    assert read_bytes(path) == text.encode()
    packed = tmp_path / "truth.json.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert open_truth_file(path).annotation_hash == open_truth_file(packed).annotation_hash
    monkeypatch.setenv(FILE_BYTES_VARIABLE, "1000")
    with pytest.raises(DataError, match="1,000 bytes"):
        read_bytes(path)
    with pytest.raises(DataError, match="no such file"):
        read_bytes(tmp_path / "nothing.json")
