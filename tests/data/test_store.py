"""A data set from a packed store is the one from the file, field by field; a damaged store is made anew."""

import gzip
import json
import os
import pickle
from dataclasses import fields, replace
from pathlib import Path

import pytest
from ytvis_files import annotation, payload, rle, runs, square, video_record, write_json

from vis_bench.data import stored
from vis_bench.data.catalog import open_dataset
from vis_bench.data.lessons import object_counts
from vis_bench.data.shown_frames import shown_frames
from vis_bench.data.splits import development_split, first_videos, keep_videos
from vis_bench.data.store import packed
from vis_bench.data.store.lazy import StoredTracks, StoredVideos, opened
from vis_bench.data.stored import open_annotations
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError

NAME = "instances_train.json"
MASK = square(2, 5, 3, 4)
POLYGON = [[1.0, 1.0, 9.0, 1.0, 9.0, 8.0, 1.0, 8.0], [12.0, 2.0, 15.0, 2.0, 14.0, 6.0]]


def many_kinds():
    """What a file may hold: three forms of masks, what is absent in each way, crowds, further fields."""
    videos = [
        video_record(5, 3, folder="ä/b"),
        video_record(2, 2, folder="c"),
        video_record(9, 1, folder="d"),
    ]
    videos[1]["file_names"] = ["0.jpg", "1.jpg"]
    full, empty = square(0, 0, 12, 20), square(0, 0, 0, 0)
    size = [12, 20]
    tracks = [
        annotation(8, 5, 7, segmentations=[rle(MASK), None, POLYGON], bboxes=[None, [1, 2, 3.5, 4], None]),
        annotation(3, 2, 1, segmentations=[{"size": size, "counts": runs(MASK)}, rle(full)]),
        annotation(4, 5, 1, segmentations=[None, None, None], bboxes=[None] * 3, iscrowd=1),
        annotation(2**62, 2, 7, segmentations=[rle(empty), {"size": size, "counts": [0, 5, 0, 3, 232]}]),
        annotation(6, 5, 7, segmentations=[rle(MASK)] * 3, bboxes=[[0, 0, 1, 1]] * 3, iscrowd=True),
    ]
    tracks[0]["areas"] = [12, None, 40.5]
    tracks[2]["areas"], tracks[4]["areas"] = [None, 0, 2**53], [0.0, 12.0, 1]
    tracks[3]["areas"] = [0, None]
    del tracks[1]["bboxes"], tracks[1]["areas"], tracks[4]["areas"]
    tracks[0] |= {"occlusion": ["no", "slight", "severe"], "note": "ä\ud800", "deep": {"a": [1, 2.5, None]}}
    return payload(videos=videos, annotations=tracks)


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    monkeypatch.setattr(stored, "WORTH_BYTES", 0)
    opened.cache_clear()


def write(folder, value=None, name=NAME):
    """The file, old enough for its hash to be remembered."""
    path = write_json(folder / name, many_kinds() if value is None else value)
    os.utime(path, (1e9, 1e9))
    return path


def both(path, cache, name="mine", split="train"):
    """The plain data set and the stored one."""
    return read_dataset(path, None, name, split), open_annotations(path, None, name, split, cache)


def stores(cache, pattern="*.store"):
    return sorted(cache.rglob(pattern))


def assert_same(plain, found):
    for field in fields(plain):
        assert getattr(plain, field.name) == getattr(found, field.name), field.name
    # 12 and 12.0 are equal, but not the same
    assert repr(plain.tracks) == repr(found.tracks if found.tracks is None else tuple(found.tracks))
    assert repr(plain.videos) == repr(tuple(found.videos))
    assert [t.extra for t in plain.tracks or ()] == [t.extra for t in found.tracks or ()]
    assert dict(plain.tracks_by_video) == dict(found.tracks_by_video)
    assert list(plain.tracks_by_video) == list(found.tracks_by_video)
    if plain.tracks is not None:
        assert shown_frames(found) == shown_frames(plain)
        assert object_counts(found) == object_counts(plain)
    assert plain == found
    assert found == plain


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_every_field_is_that_of_the_file(tmp_path, batch, monkeypatch):
    monkeypatch.setattr(stored, "_BATCH_TRACKS", batch)
    plain, found = both(write(tmp_path), tmp_path / "cache")
    assert isinstance(found.videos, StoredVideos)
    assert isinstance(found.tracks, StoredTracks)
    assert_same(plain, found)
    assert found.tracks[0].extra["occlusion"] == ["no", "slight", "severe"]
    # the second time nothing is made
    (store,) = stores(tmp_path / "cache")
    made = store.stat().st_mtime_ns
    assert_same(plain, open_annotations(tmp_path / NAME, None, "mine", "train", tmp_path / "cache"))
    assert store.stat().st_mtime_ns == made


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_annotations(split, tmp_path):
    path = Path(os.environ["VIS_BENCH_FIXTURES"]) / "realvis" / split / f"instances_{split}.json"
    plain, found = both(path, tmp_path)
    assert isinstance(found.tracks, StoredTracks)
    assert_same(plain, found)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: {key: value[key] for key in ("annotations", "categories", "videos")},
        lambda value: {
            "more": [{}, []],
            **{key: value[key] for key in ("categories", "annotations", "videos")},
        },
        lambda value: value | {"annotations": None},
        lambda value: {key: one for key, one in value.items() if key != "annotations"},
        lambda value: value | {"annotations": []},
    ],
    ids=["truth first", "truth between", "null", "none", "empty"],
)
@pytest.mark.parametrize("name", ["mine", "ytvis19"])
def test_wherever_the_truth_stands_and_whether_there_is_one(tmp_path, change, name):
    plain, found = both(write(tmp_path, change(many_kinds())), tmp_path / "cache", name, "valid")
    assert isinstance(found.videos, StoredVideos)
    assert_same(plain, found)


def test_gzip_has_the_store_of_its_text(tmp_path):
    path = write(tmp_path)
    packed_path = tmp_path / f"{NAME}.gz"
    packed_path.write_bytes(gzip.compress(path.read_bytes()))
    assert_same(*both(path, tmp_path / "cache"))
    assert_same(*both(packed_path, tmp_path / "cache"))
    assert len(stores(tmp_path / "cache")) == 1


def test_a_small_file_makes_no_store(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(stored, "WORTH_BYTES", path.stat().st_size + 1)
    assert isinstance(both(path, tmp_path / "cache")[1].tracks, tuple)
    assert not (tmp_path / "cache").exists()


def test_the_second_time_the_file_is_not_read(tmp_path, monkeypatch):
    path = write(tmp_path)
    plain, _ = both(path, tmp_path / "cache")

    def refuse(*given):
        raise AssertionError("the file was read")

    for name in ("text_hash", "read_dataset", "JsonStream"):
        monkeypatch.setattr(stored, name, refuse)
    assert open_annotations(path, None, "mine", "train", tmp_path / "cache") == plain


@pytest.mark.parametrize("how", ["content", "time", "other file", "young"])
def test_a_changed_file_is_read_again(tmp_path, how):
    path, cache = write(tmp_path), tmp_path / "cache"
    before, _ = both(path, cache)
    value = many_kinds()
    value["categories"][0]["name"] = "disk"  # as long as before
    if how == "content":
        write(tmp_path, value)
        os.utime(path, (1e9, 1e9 + 1))
    elif how == "time":
        state = path.stat()
        path.write_text(json.dumps(value))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    elif how == "other file":
        other = write(tmp_path / "new", value)
        assert other.stat().st_mtime_ns == path.stat().st_mtime_ns
        other.replace(path)
    else:
        # written, opened and written again within a tick of the clock: nothing may be remembered
        path.write_text(json.dumps(many_kinds()))
        both(path, cache)
        state = path.stat()
        path.write_text(json.dumps(value))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    plain, found = both(path, cache)
    assert found.categories[0].name == "disk"
    assert plain.annotation_hash != before.annotation_hash
    assert_same(plain, found)


def damage_middle(data):
    # the last byte of the arrays, which end where the header begins
    at = int.from_bytes(data[8:16], "little") - 1
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:10],
        lambda data: b"",
        lambda data: b"x" + data[1:],
        lambda data: data[:-3] + b"9" + data[-2:],
        lambda data: data + b"\0",
        damage_middle,
    ],
    ids=["a byte short", "half", "no header", "empty", "magic", "header", "longer", "arrays"],
)
def test_a_damaged_store_is_set_aside_and_made_again(tmp_path, damage):
    path, cache = write(tmp_path), tmp_path / "cache"
    plain, _ = both(path, cache)
    (store,) = stores(cache)
    whole = store.read_bytes()
    store.write_bytes(damage(whole))
    assert_same(plain, open_annotations(path, None, "mine", "train", cache))
    assert store.read_bytes() == whole
    assert stores(cache, "*.damaged")[0].read_bytes() == damage(whole)


def test_a_changed_mask_is_an_error_that_says_what_to_do(tmp_path):
    path, cache = write(tmp_path), tmp_path / "cache"
    both(path, cache)
    (store,) = stores(cache)
    data = bytearray(store.read_bytes())
    data[64] ^= 1  # the first character of the first mask
    store.write_bytes(data)
    opened.cache_clear()
    found = open_annotations(path, None, "mine", "train", cache)
    assert found.tracks[1].id == 3
    with pytest.raises(DataError, match=r"\.store: .* damaged \(a mask was changed\)\. Remove this file"):
        found.tracks[0]
    store.unlink()
    assert_same(*both(path, cache))


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path):
    path, cache = write(tmp_path), tmp_path / "cache"
    cache.write_text("a file where the folder should be")
    plain, found = both(path, cache)
    assert isinstance(found.tracks, tuple)
    assert plain == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value["annotations"].append(annotation(8, 2)), "annotation 8: the id occurs twice"),
        (lambda value: value["annotations"][1].pop("video_id"), "`video_id` is missing"),
        (lambda value: value["annotations"][0]["segmentations"][0].update(counts="5"), "broken mask"),
        (lambda value: value.update(annotations={}), "`annotations` must be a list"),
        (lambda value: value.pop("categories"), "`categories` is missing"),
        (lambda value: value.update(videos=[]), "`videos` is empty"),
    ],
)
def test_errors_are_those_of_reading_the_file(tmp_path, monkeypatch, change, message):
    monkeypatch.setattr(stored, "_BATCH_TRACKS", 2)
    value = many_kinds()
    change(value)
    path = write(tmp_path, value)
    with pytest.raises(DataError, match=message) as plain:
        read_dataset(path, None, "mine", "train")
    with pytest.raises(DataError) as found:
        open_annotations(path, None, "mine", "train", tmp_path / "cache")
    assert str(found.value) == str(plain.value)
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]


@pytest.mark.parametrize("text", ["[]", "{}", "", "{", '{"videos": [1', '{"a": 1} x', "\xff"])
def test_what_is_no_annotation_file_is_the_error_of_reading_it(tmp_path, text):
    path = tmp_path / NAME
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as plain:
        read_dataset(path, None, "mine", "train")
    with pytest.raises(DataError) as found:
        open_annotations(path, None, "mine", "train", tmp_path / "cache")
    assert str(found.value) == str(plain.value)


def test_what_a_store_would_change_is_read_from_the_file(tmp_path):
    value = many_kinds()
    value["annotations"][0]["areas"][0] = 2**53 + 1
    plain, found = both(write(tmp_path, value), tmp_path / "cache")
    assert isinstance(found.tracks, tuple)
    assert plain == found


def test_a_store_of_older_rules_is_not_used(tmp_path, monkeypatch):
    path, cache = write(tmp_path), tmp_path / "cache"
    both(path, cache)
    monkeypatch.setattr(stored, "reading_rules", lambda: "0" * 64)
    both(path, cache)
    assert len(stores(cache)) == 2


def test_parts_of_a_stored_data_set_are_those_of_the_plain_one(tmp_path):
    plain, found = both(write(tmp_path), tmp_path / "cache", "ytvis19", "train-full")
    for split in ("train", "devval"):
        assert_same(development_split(plain, split), development_split(found, split))
    assert isinstance(development_split(found, "train").tracks, StoredTracks)
    assert_same(first_videos(plain, 2), first_videos(found, 2))
    twice = (keep_videos(first_videos(one, 2), "x", frozenset({2})) for one in (plain, found))
    assert_same(*twice)
    assert found.tracks[1:3] == plain.tracks[1:3]
    assert found.videos[-1] == plain.videos[-1]
    with pytest.raises(IndexError):
        found.tracks[5]
    with pytest.raises(KeyError):
        first_videos(found, 1).tracks_by_video[2]
    assert found.tracks != plain.tracks[:-1]
    assert found.videos != 3
    changed = replace(plain.tracks[4], category_id=1)
    assert found.tracks != (*plain.tracks[:4], changed)


def test_tracks_in_single_frames(tmp_path):
    plain, found = both(write(tmp_path), tmp_path / "cache")
    for dataset in (plain, found):
        first, second, third = dataset.tracks_in_frames(5, [2, 0, 2])
        assert (first.id, second.id, third.id) == (8, 4, 6)
        whole = plain.tracks[0]
        assert first.segmentations == tuple(whole.segmentations[t] for t in (2, 0, 2))
        assert (first.boxes, first.areas) == ((None, None, None), (40.5, 12, 40.5))
        assert first.extra == {}
    assert plain.tracks_in_frames(2, [1]) == found.tracks_in_frames(2, [1])
    assert found.tracks_in_frames(9, [0]) == ()


def test_pickled_it_is_a_path(tmp_path):
    value = many_kinds()
    value["annotations"] = [annotation(i, 2, 1) for i in range(2000)]
    plain, found = both(write(tmp_path, value), tmp_path / "cache")
    found.tracks_by_video, found.video_by_id  # noqa: B018 - what is computed is not pickled
    part = keep_videos(found, "x", frozenset({2}))
    assert len(pickle.dumps(found)) < 1500
    assert len(pickle.dumps(part)) < 1500 + 4 * 2000
    opened.cache_clear()
    assert_same(plain, pickle.loads(pickle.dumps(found)))
    assert pickle.loads(pickle.dumps(part)) == part
    # a plain one is picklable too, after its parts were looked up
    plain.tracks_by_video  # noqa: B018
    assert pickle.loads(pickle.dumps(plain)) == plain
    text = pickle.dumps(found)
    stores(tmp_path / "cache")[0].unlink()
    opened.cache_clear()
    with pytest.raises(DataError, match="Run again: they are made anew"):
        pickle.loads(text)


def test_a_data_set_by_path_or_name_comes_from_the_store(tmp_path):
    write(tmp_path / "mine")
    found = open_dataset(tmp_path / "mine", "train", cache_root=tmp_path / "cache")
    assert isinstance(found.tracks, StoredTracks)
    assert len(stores(tmp_path / "cache")) == 1


def test_nothing_of_the_map_can_be_changed(tmp_path):
    both(write(tmp_path), tmp_path / "cache")
    store = packed.open_packed(stores(tmp_path / "cache")[0])
    assert store.arrays["area"].shape == (13,)
    with pytest.raises(ValueError, match="read-only"):
        store.arrays["area"][0] = 1
