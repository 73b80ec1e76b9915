"""What counts as the same video: the pictures, whatever they are called."""

import shutil

import pytest
from square_videos import write_split

from vis_bench.data import catalog
from vis_bench.data.overlap import seen_videos
from vis_bench.errors import DataError


@pytest.fixture
def pair(tmp_path):
    """Two folders of videos: `val` of the second one holds copies of the first two videos, renamed."""
    write_split(tmp_path / "one", "train", 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    train = catalog.open_dataset(str(tmp_path / "one"), "train")
    test = catalog.open_dataset(str(tmp_path / "two"), "train")
    return train, test


def test_a_copy_is_the_same_video(pair):
    train, test = pair
    names = [video.name for video in test.videos]
    assert seen_videos(train, test) == tuple(names)
    frame = test.image_root / test.videos[1].file_names[-1]
    frame.write_bytes(frame.read_bytes()[:-2] + b"\xff\xd8")
    assert seen_videos(train, test) == (names[0], names[2])


def test_the_middle_frame_counts_and_others_do_not(pair):
    train, test = pair
    video = test.videos[0]
    middle = (video.length - 1) // 2
    other = next(t for t in range(1, video.length - 1) if t != middle)
    frame = test.image_root / video.file_names[other]
    frame.write_bytes(frame.read_bytes() + b"\0")
    assert video.name in seen_videos(train, test)
    frame = test.image_root / video.file_names[middle]
    frame.write_bytes(frame.read_bytes() + b"\0")
    assert video.name not in seen_videos(train, test)


def test_a_video_is_seen_in_its_own_set_without_reading_a_frame(pair, monkeypatch):
    train, _ = pair
    monkeypatch.setattr("hashlib.file_digest", None)
    assert seen_videos(train, train) == tuple(video.name for video in train.videos)


def test_a_missing_frame_is_named(pair):
    train, test = pair
    (test.image_root / test.videos[0].file_names[0]).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        seen_videos(train, test)
