"""Which frames become key frames: videos or frames equally often, with or without those that show nothing."""

from collections import Counter

import pytest
from ytvis_files import annotation, payload, rle, square, video_record, write_frames, write_json

torch = pytest.importorskip("torch")

from vis_bench.data.shown_frames import shown_frames  # noqa: E402
from vis_bench.data.ytvis import read_dataset  # noqa: E402
from vis_bench.engine.training.clips.draws import Draws  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler, choose_frames  # noqa: E402
from vis_bench.errors import DataError  # noqa: E402
from vis_bench.method import Augmentation, ClipSampling  # noqa: E402

MASK, EMPTY = rle(square(2, 5, 3, 4)), rle(square(0, 0, 0, 0))
# per video: what its one object shows in each frame
SHOWN = {
    1: [MASK, None, MASK],
    2: [None, EMPTY],
    3: [None, MASK, EMPTY, None, None],
    4: [MASK] * 10,
}


@pytest.fixture
def dataset(tmp_path):
    videos = [video_record(i, len(masks), folder=f"v{i}") for i, masks in SHOWN.items()]
    tracks = [
        annotation(
            10 + i,
            i,
            7,
            segmentations=masks,
            bboxes=[None] * len(masks),
            areas=[None if mask is None else 1 for mask in masks],
        )
        for i, masks in SHOWN.items()
    ]
    tracks.append(annotation(20, 2, 1, iscrowd=1, segmentations=[MASK] * 2, bboxes=[None] * 2, areas=[1] * 2))
    value = payload(videos=videos, annotations=tracks)
    write_frames(tmp_path / "JPEGImages", videos)
    return read_dataset(write_json(tmp_path / "gt.json", value), tmp_path / "JPEGImages", "mine", "train")


def drawn(dataset, clips, seed=3, **sampling):
    """(video, frames of the clip) of so many clips."""
    seen = []
    sampler = ClipSampler(dataset, ClipSampling(2, ordered=False, **sampling), Augmentation(flip=0), seed, 4)
    for index in range(clips):
        video, key = sampler._drawn(index)
        usable = range(video.length) if sampler._usable is None else sampler._usable[video.id]
        chosen = choose_frames(sampler._sampling, usable or range(video.length), Draws(4, index), key)
        seen.append((video.id, chosen))
    return seen


def test_frames_that_show_an_object_by_hand(dataset):
    # crowds and masks without a pixel show nothing
    assert shown_frames(dataset) == {1: (0, 2), 2: (), 3: (1,), 4: tuple(range(10))}


def test_every_frame_is_the_key_frame_once_an_epoch(dataset):
    frames = [(video, t) for video, masks in SHOWN.items() for t in range(len(masks))]
    assert len(frames) == 20
    epochs = [
        [(video, chosen[0]) for video, chosen in drawn(dataset, 40, draw="frames")][i : i + 20]
        for i in (0, 20)
    ]
    assert [sorted(epoch) for epoch in epochs] == [frames] * 2
    assert epochs[0] != epochs[1]
    # drawn by videos, each of the four comes ten times, however long it is
    assert set(Counter(video for video, _ in drawn(dataset, 40)).values()) == {10}


def test_the_order_of_key_frames_depends_on_the_order_seed_alone(dataset):
    keys = [[(v, c[0]) for v, c in drawn(dataset, 20, seed, draw="frames")] for seed in (3, 3, 5)]
    assert keys[0] == keys[1] != keys[2]


def test_neither_key_nor_other_frames_show_nothing(dataset):
    seen = drawn(dataset, 130, draw="frames", only_with_objects=True)
    shown = shown_frames(dataset)
    assert Counter((video, chosen[0]) for video, chosen in seen) == Counter(
        {(video, frame): 10 for video, frames in shown.items() for frame in frames}
    )
    assert all(frame in shown[video] for video, chosen in seen for frame in chosen)
    # the one usable frame of video 3 has no partner
    assert all(chosen == [1, 1] for video, chosen in seen if video == 3)


def test_drawn_by_videos_one_that_never_shows_an_object_gives_any_frame(dataset):
    seen = drawn(dataset, 80, only_with_objects=True)
    shown = shown_frames(dataset)
    assert {frame for video, chosen in seen for frame in chosen if video == 2} == {0, 1}
    assert all(f in shown[video] for video, chosen in seen for f in chosen if video != 2)


def test_a_given_key_frame_comes_first_and_bounds_the_others():
    for seed in range(20):
        key, *others = choose_frames(ClipSampling(3, window=2, ordered=False), range(10), Draws(seed), key=7)
        assert key == 7
        assert set(others) <= {5, 6, 8, 9}
        # a usable frame may be far, the window is in frames of the video
        assert choose_frames(ClipSampling(2, window=2), (0, 7), Draws(seed), key=0) == [0, 0]


def test_a_dataset_that_shows_nothing_has_no_key_frame(dataset):
    from vis_bench.data.splits import keep_videos

    empty = keep_videos(dataset, "train", frozenset({2}))
    with pytest.raises(DataError, match="no frame shows an object"):
        drawn(empty, 1, draw="frames", only_with_objects=True)
    assert len(drawn(empty, 4, draw="frames")) == 4


def test_a_clip_is_made_of_the_frames_that_were_drawn(dataset):
    sampler = ClipSampler(
        dataset,
        ClipSampling(2, ordered=False, draw="frames", only_with_objects=True),
        Augmentation(flip=0),
        3,
        4,
    )
    # every usable frame shows the object
    assert all(sampler.clip(index).visible.all() for index in range(13))
