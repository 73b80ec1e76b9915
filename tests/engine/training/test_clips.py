import dataclasses
import pickle
from itertools import islice

import numpy as np
import pytest
from ytvis_files import (
    HEIGHT,
    WIDTH,
    annotation,
    payload,
    rle,
    square,
    video_record,
    write_frames,
    write_json,
)

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from PIL import Image  # noqa: E402

from vis_bench.data.ytvis import read_dataset  # noqa: E402
from vis_bench.engine.training.clips.augment import (  # noqa: E402
    ClipTransform,
    draw_transform,
    move_frame,
    output_size,
    resized,
    tight_boxes,
)
from vis_bench.engine.training.clips.draws import Draws  # noqa: E402
from vis_bench.engine.training.clips.pixels import transformed_objects  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler, choose_frames  # noqa: E402
from vis_bench.errors import DataError  # noqa: E402
from vis_bench.masks.rle import encode  # noqa: E402
from vis_bench.method import Augmentation, ClipSampling  # noqa: E402
from vis_bench.types import TruthTrack  # noqa: E402

PLAIN = Augmentation(flip=0.0)


def dataset_of(tmp_path, value):
    root = tmp_path / "JPEGImages"
    write_frames(root, value["videos"])
    return read_dataset(write_json(tmp_path / "gt.json", value), root, "mine", "train")


@pytest.fixture
def dataset(tmp_path):
    mask = rle(square(2, 5, 3, 4))
    videos = [video_record(i, frames, folder=f"v{i}") for i, frames in enumerate((1, 2, 5, 9, 4))]
    tracks = [
        annotation(10 + i, i, 7, segmentations=[mask] * n, bboxes=[None] * n, areas=[None] * n)
        for i, n in ((1, 2), (2, 5), (3, 9), (4, 4))
    ]
    tracks.append(
        annotation(20, 3, 1, iscrowd=1, segmentations=[mask] * 9, bboxes=[None] * 9, areas=[None] * 9)
    )
    return dataset_of(tmp_path, payload(videos=videos, annotations=tracks))


def sampler(dataset, frames=2, augmentation=PLAIN, order_seed=3, augmentation_seed=4, **sampling):
    return ClipSampler(dataset, ClipSampling(frames, **sampling), augmentation, order_seed, augmentation_seed)


def moved(transform, frames, masks):
    """Frames [1, 3, H, W] and masks [1, 1, H, W] bool as a clip shows them, and the boxes [1, 1, 4]."""
    out = torch.empty((3, *output_size(transform)), dtype=torch.uint8)
    move_frame(transform, frames[0], out)
    track = TruthTrack(1, 1, 1, False, (encode(masks[0, 0].numpy()),), (None,), (None,))
    found = transformed_objects([track], 1, tuple(masks.shape[-2:]), transform)
    return out[None], found.masks, found.boxes


def assert_equal_clips(first, second):
    for field in dataclasses.fields(first):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name)), field.name


def test_shapes_types_and_a_box_by_hand(dataset):
    clips = sampler(dataset, frames=3)
    index = next(i for i in range(5) if clips.video(i).id == 2)
    clip = clips.clip(index)
    assert (clip.frames.shape, clip.frames.dtype) == ((3, 3, HEIGHT, WIDTH), torch.uint8)
    assert (clip.masks.shape, clip.masks.dtype) == ((3, 1, HEIGHT, WIDTH), torch.bool)
    assert (clip.labels.tolist(), clip.labels.dtype) == ([1], torch.int64)  # id 7 is the second category
    # rows 2..4, columns 5..8, ends exclusive
    assert clip.boxes.tolist() == [[[5.0, 2.0, 9.0, 5.0]]] * 3
    assert clip.boxes.dtype == torch.float32
    assert clip.visible.tolist() == [[True]] * 3


def test_a_squares_box_after_resize_flip_and_crop_by_hand():
    # 12x20, square rows 2..4, columns 5..8. Doubled: 24x40, rows 4..9, columns 10..17, box (10, 4, 18, 10).
    # Flipped: x -> 40 - x, box (22, 4, 30, 10). Crop from (top 6, left 20) of 10x8: box (2, 0, 8, 4).
    masks = torch.from_numpy(square(2, 5, 3, 4).astype(bool))[None, None]
    frames = torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8)
    frames[:, 0][masks[:, 0]] = 255
    doubled = ClipTransform((24, 40), flip=False, crop=None)
    flipped = ClipTransform((24, 40), flip=True, crop=None)
    cropped = ClipTransform((24, 40), flip=True, crop=(6, 20, 10, 8))
    expected = {doubled: [10, 4, 18, 10], flipped: [22, 4, 30, 10], cropped: [2, 0, 8, 4]}
    for transform, box in expected.items():
        moved_frames, moved_masks, boxes = moved(transform, frames, masks)
        assert boxes[0, 0].tolist() == box
        assert tight_boxes(moved_masks)[0][0, 0].tolist() == box
        # The picture of the square moves with its mask: bright inside it, dark away from its edge.
        inside = moved_masks[0, 0]
        assert (moved_frames[0, 0][inside] > 127).all()
        assert (moved_frames[0, 0][~inside] <= 127).all()
    assert moved_frames.shape == (1, 3, 10, 8)


def test_halving_keeps_masks_aligned_with_frames():
    masks = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    masks[..., 2:6, 4:8] = True
    frames = masks.to(torch.uint8).expand(1, 3, 8, 8) * 200
    moved_frames, moved_masks, _ = moved(ClipTransform((4, 4), flip=False, crop=None), frames, masks)
    assert tight_boxes(moved_masks)[0][0, 0].tolist() == [2, 1, 4, 3]
    assert ((moved_frames[0, 0] > 100) == moved_masks[0, 0]).all()


@pytest.mark.parametrize(
    ("height", "width", "short", "longest", "expected"),
    [
        (720, 1280, 360, 1333, (360, 640)),
        (1280, 720, 360, 1333, (640, 360)),
        (720, 1280, 360, 600, (338, 600)),  # 720 * 600 / 1280 = 337.5, half up
        (100, 1000, 100, 500, (50, 500)),
    ],
)
def test_resized_by_hand(height, width, short, longest, expected):
    assert resized(height, width, short, longest) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**30))
def test_tight_boxes_agree_with_numpy(height, width, seed):
    mask = np.random.default_rng(seed).random((height + 1, width + 1)) < 0.1
    boxes, visible = tight_boxes(torch.from_numpy(mask))
    rows, columns = np.nonzero(mask)
    assert bool(visible) == mask.any()
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if mask.any() else [0, 0, 0, 0]
    assert boxes.tolist() == expected


def test_drawn_transforms_stay_inside_their_ranges():
    augmentation = Augmentation(short_sides=(6, 9), max_long_side=100, flip=0.5, crop=(0.5, 0.4))
    drawn = [draw_transform(augmentation, 12, 20, Draws(1, i)) for i in range(2000)]
    assert {t.size for t in drawn} == {(6, 10), (9, 15)}
    assert 0.45 < np.mean([t.flip for t in drawn]) < 0.55
    assert 0.45 < np.mean([t.crop is not None for t in drawn]) < 0.55
    for transform in drawn:
        if transform.crop is not None:
            top, left, height, width = transform.crop
            assert 0 <= top <= transform.size[0] - height
            assert 0 <= left <= transform.size[1] - width
            assert height >= round(0.4 * transform.size[0])
            assert width >= round(0.4 * transform.size[1])
    assert draw_transform(Augmentation(flip=1.0), 12, 20, Draws(1)) == ClipTransform((12, 20), True, None)


def test_same_video_order_for_every_clip_length_and_augmentation(dataset):
    short = sampler(dataset, frames=1, augmentation_seed=1)
    long = sampler(dataset, frames=5, augmentation=Augmentation(short_sides=(8,)), augmentation_seed=2)
    order = [short.video(i).id for i in range(50)]
    assert order == [long.video(i).id for i in range(50)]
    epochs = [tuple(order[i : i + 5]) for i in range(0, 50, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(epochs)) > 5
    assert order != [sampler(dataset, order_seed=9).video(i).id for i in range(50)]


def test_clips_depend_on_index_and_seeds_only(dataset):
    augmentation = Augmentation(short_sides=(8, 10, 12), flip=0.5, crop=(0.5, 0.5))
    forward = sampler(dataset, augmentation=augmentation)
    clips = [forward.clip(i) for i in range(20)]
    resumed = pickle.loads(pickle.dumps(sampler(dataset, augmentation=augmentation)))
    torch.manual_seed(123)
    for i in (19, 7, 0):
        assert_equal_clips(resumed.clip(i), clips[i])
    other = sampler(dataset, augmentation=augmentation, augmentation_seed=5)
    assert any(other.clip(i).frames.shape != clips[i].frames.shape for i in range(20))


def test_one_draw_moves_all_frames_of_a_clip(dataset):
    """A square that stands still stands still in every clip: scale, flip and crop are the clip's, not the
    frame's. Methods that pass boxes from frame to frame rely on it."""
    augmentation = Augmentation(short_sides=(8, 12), flip=0.5, crop=(0.5, 0.6))
    clips = [sampler(dataset, frames=3, augmentation=augmentation).clip(i) for i in range(40)]
    seen = [clip for clip in clips if len(clip.labels)]
    assert len({(tuple(clip.frames.shape[2:]), *clip.boxes[0, 0].tolist()) for clip in seen}) > 10
    for clip in seen:
        assert torch.equal(clip.boxes, clip.boxes[:1].expand_as(clip.boxes))
        assert torch.equal(clip.masks, clip.masks[:1].expand_as(clip.masks))


def test_crowd_objects_are_not_trained_on(dataset):
    clips = sampler(dataset)
    index = next(i for i in range(5) if clips.video(i).id == 3)
    assert clips.clip(index).labels.tolist() == [1]


def test_a_clip_without_objects(dataset):
    clips = sampler(dataset, augmentation=Augmentation(short_sides=(6,)))
    index = next(i for i in range(5) if clips.video(i).id == 0)
    clip = clips.clip(index)
    assert clip.frames.shape == (2, 3, 6, 10)
    assert clip.labels.shape == (0,)
    assert clip.masks.shape == (2, 0, 6, 10)
    assert clip.boxes.shape == (2, 0, 4)
    assert clip.visible.shape == (2, 0)


def test_an_object_visible_in_one_frame_only_is_kept_and_cropped_away_ones_are_dropped(tmp_path):
    half = annotation(1, segmentations=[rle(square(2, 5, 3, 4)), None])
    empty = annotation(2, segmentations=[rle(square(0, 0, 0, 0)), None], bboxes=[None] * 2, areas=[0, None])
    corner = annotation(3, segmentations=[rle(square(0, 0, 1, 1))] * 2, bboxes=[None] * 2, areas=[1, 1])
    dataset = dataset_of(tmp_path, payload(annotations=[half, empty, corner]))
    clip = sampler(dataset).clip(0)
    assert clip.visible.tolist() == [[True, True], [False, True]]
    assert clip.boxes[1, 0].tolist() == [0, 0, 0, 0]
    cropped = [
        sampler(dataset, augmentation=Augmentation(flip=0, crop=(1.0, 0.5))).clip(i) for i in range(30)
    ]
    assert {clip.labels.shape[0] for clip in cropped} >= {1, 2}
    for clip in cropped:
        assert clip.visible.any(dim=0).all()


def test_frames_by_hand_draws():
    whole = ClipSampling(frames=3)
    for seed in range(50):
        chosen = choose_frames(whole, range(10), Draws(seed))
        assert chosen == sorted(set(chosen))
        assert len(chosen) == 3
        near = choose_frames(ClipSampling(frames=3, window=2, ordered=False), range(10), Draws(seed))
        assert len(set(near)) == 3
        assert all(abs(frame - near[0]) <= 2 for frame in near)
    pair = ClipSampling(frames=2, ordered=False)
    keys = [choose_frames(pair, range(4), Draws(seed))[0] for seed in range(400)]
    assert all(60 < keys.count(frame) < 140 for frame in range(4))


def test_short_videos_repeat_frames_only_when_all_are_used():
    for seed in range(20):
        assert set(choose_frames(ClipSampling(frames=5), range(3), Draws(seed))) == {0, 1, 2}
        assert choose_frames(ClipSampling(frames=4), range(1), Draws(seed)) == [0] * 4
        chosen = choose_frames(ClipSampling(frames=4, window=1), range(9), Draws(seed))
        assert chosen == sorted(chosen)
        assert max(chosen) - min(chosen) <= 2


def test_draws_are_pinned():
    # Raw PCG64 bits, which NumPy promises to keep; a change here would change every training run.
    bits = np.random.PCG64(np.random.SeedSequence([5, 7])).random_raw(3)
    draws = Draws(5, 7)
    assert draws.unit() == (int(bits[0]) >> 11) / 2**53
    assert draws.below(10) == int(bits[1]) % 10
    assert sorted(draws.shuffled(6)) == list(range(6))
    assert Draws(0).shuffled(5) == [3, 2, 1, 0, 4]


def test_training_needs_truth_frames_and_videos(dataset):
    with pytest.raises(DataError, match="truth is not public"):
        sampler(dataclasses.replace(dataset, tracks=None))
    with pytest.raises(DataError, match="no frames were found"):
        sampler(dataclasses.replace(dataset, image_root=None))
    with pytest.raises(DataError, match="has no videos"):
        sampler(dataclasses.replace(dataset, videos=()))


def test_a_frame_of_another_size_stops_training(dataset):
    for path in dataset.image_root.rglob("*.jpg"):
        Image.new("RGB", (WIDTH, HEIGHT + 1)).save(path)
    with pytest.raises(DataError, match="the annotation file says 20x12"):
        list(islice((sampler(dataset).clip(i) for i in range(2)), 2))
