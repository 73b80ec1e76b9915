import hashlib
from fractions import Fraction

import pytest
from ytvis_files import annotation, payload, video_record, write_json

from vis_bench.data.splits import (
    HELD_OUT_FRACTION,
    crossing_videos,
    development_split,
    first_videos,
    held_out_names,
    split_hash,
    threshold_of,
)
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError
from vis_bench.types import Dataset, Video


def names(count, prefix="video"):
    return [f"{prefix}{i:04d}" for i in range(count)]


def bare_set(name, folders):
    """A training set of names only: splitting needs no masks."""
    videos = tuple(Video(i, folder, 8, 8, (f"{folder}/0.jpg",)) for i, folder in enumerate(folders))
    return Dataset(name, "train-full", videos, (), (), None, "", "")


def full_set(tmp_path, count, name, folders=None):
    folders = folders or names(count)
    value = payload(
        videos=[video_record(i, folder=folder) for i, folder in enumerate(folders)],
        annotations=[annotation(i, video_id=i) for i in range(len(folders))],
    )
    return read_dataset(write_json(tmp_path / "train.json", value), None, name, "train-full")


@pytest.mark.parametrize(
    ("name", "videos", "held_out"),
    [("ytvis19", 2238, 400), ("ytvis19", 10, 2), ("ytvis21", 2985, 534), ("ovis", 607, 92), ("ovis", 1, 1)],
)
def test_number_of_held_out_videos(name, videos, held_out):
    # ceil(2985 * 400 / 2238) = ceil(533.5) = 534; ceil(607 * 0.15) = ceil(91.05) = 92
    assert len(held_out_names(names(videos), HELD_OUT_FRACTION[name])) == held_out


def test_held_out_are_the_smallest_hashes_whatever_the_order():
    ranked = sorted(names(20), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert held_out_names(names(20), Fraction(1, 4)) == set(ranked[:5])
    assert held_out_names(names(20)[::-1], Fraction(1, 4)) == set(ranked[:5])
    # Known digests: SHA-256("a") = ca97..., ("b") = 3e23..., ("c") = 2e7d...
    assert held_out_names(["a", "b", "c"], Fraction(1, 3)) == {"c"}


def test_the_first_videos_are_counted_also_where_all_frames_lie_in_one_folder(tmp_path):
    part = first_videos(full_set(tmp_path, 5, "own", ["all"] * 5), 2)
    assert [video.id for video in part.videos] == [0, 1]
    assert [track.video_id for track in part.tracks] == [0, 1]


def test_train_and_devval_share_nothing_and_leave_nothing_out(tmp_path):
    full = full_set(tmp_path, 60, "ytvis19")
    train, devval = development_split(full, "train"), development_split(full, "devval")
    assert (train.split, devval.split) == ("train", "devval")
    assert len(devval.videos) == 11  # ceil(60 * 400 / 2238) = ceil(10.7)
    assert crossing_videos(train, devval) == ()
    assert {v.name for v in train.videos} | {v.name for v in devval.videos} == set(names(60))
    for part in (train, devval):
        assert {track.video_id for track in part.tracks} == {video.id for video in part.videos}
        assert [video.id for video in part.videos] == sorted(video.id for video in part.videos)
    assert len({full.split_hash, train.split_hash, devval.split_hash}) == 3
    assert train.annotation_hash == full.annotation_hash


def test_split_hash_is_the_digest_of_the_sorted_names():
    assert split_hash(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()


def test_years_that_share_their_videos_are_cut_at_nearly_the_same_hash():
    old = names(2238)
    new = old + names(747, "new")
    fraction = HELD_OUT_FRACTION["ytvis19"]
    crossing = held_out_names(old, fraction) ^ (held_out_names(new, fraction) & set(old))
    # One draw of the simulation in the docstring of splits: 7 on average, 17 at the 95th percentile.
    assert len(crossing) <= 17
    assert held_out_names(old, fraction) & held_out_names(new, fraction)


def test_crossing_videos_names_what_was_seen(tmp_path):
    first = full_set(tmp_path, 0, "ytvis19", ["x", "y"])
    second = full_set(tmp_path, 0, "ytvis21", ["z", "y"])
    assert crossing_videos(first, second) == ("y",)


def test_a_training_file_too_small_to_split_is_refused(tmp_path):
    full = full_set(tmp_path, 1, "ytvis21")
    assert len(development_split(full, "devval").videos) == 1
    with pytest.raises(DataError, match="split 'train' has no video"):
        development_split(full, "train")


def test_ytvis21_is_cut_where_ytvis19_is_cut():
    """Every video of both years is on the same side once the 2019 threshold is known."""
    old, new = names(2238), names(2238)[300:] + [f"new{i}" for i in range(700)]
    cut = threshold_of(old, HELD_OUT_FRACTION["ytvis19"])
    held_out_2019 = held_out_names(old, HELD_OUT_FRACTION["ytvis19"])
    full = bare_set("ytvis21", new)
    held_out_2021 = {v.name for v in development_split(full, "devval", cut).videos}
    shared = set(old) & set(new)
    assert held_out_2021 & shared == held_out_2019 & shared
    train = {v.name for v in development_split(full, "train", cut).videos}
    assert train == set(new) - held_out_2021


def test_a_threshold_that_leaves_a_side_empty_is_not_used():
    full = bare_set("ytvis21", "abc")
    assert len(development_split(full, "devval", "0" * 64).videos) == 1
    assert len(development_split(full, "devval", "f" * 64).videos) == 1
