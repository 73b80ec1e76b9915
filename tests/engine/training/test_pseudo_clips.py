"""Clips made of single images, and their mixture with clips of videos."""

import math
import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from coco_files import SIZE, write_coco
from square_videos import write_split

from vis_bench.data.catalog import open_dataset
from vis_bench.data.coco import open_coco
from vis_bench.data.extra import ExtraImages, PseudoMotion
from vis_bench.engine.training.clips.draws import Draws
from vis_bench.engine.training.clips.mixed_clips import MixedClipSampler, training_clips
from vis_bench.engine.training.clips.pseudo_clips import PseudoClipSampler, Window, draw_window, show_window
from vis_bench.errors import DataError
from vis_bench.method import Augmentation, ClipSampling
from vis_bench.types import Category

HEIGHT, WIDTH = SIZE
TARGET = (Category(2, "zebra"), Category(9, "person"))
SAMPLING, AUGMENTATION = ClipSampling(frames=3), Augmentation(flip=0.0)


@pytest.fixture
def coco(tmp_path):
    return open_coco(write_coco(tmp_path / "coco"), TARGET)


def sampler(dataset, motion=PseudoMotion(0.6, 15.0), augmentation=AUGMENTATION, seed=5):  # noqa: B008
    return PseudoClipSampler(dataset, motion, SAMPLING, augmentation, seed, seed + 1)


def corners(window, height, width):
    """Corners of a window in pixels, x and y."""
    cos, sin = math.cos(window.angle), math.sin(window.angle)
    for across, down in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        x, y = across * window.scale * width / 2, down * window.scale * height / 2
        yield (
            window.centre[0] * width + cos * x - sin * y,
            window.centre[1] * height + sin * x + cos * y,
        )


@pytest.mark.parametrize(("height", "width"), [(30, 40), (100, 20)])
def test_windows_lie_inside_the_image_and_differ(height, width):
    draws, motion = Draws(3), PseudoMotion(0.5, 40.0)
    windows = [draw_window(motion, height, width, draws) for _ in range(200)]
    for window in windows:
        for x, y in corners(window, height, width):
            assert -1e-6 <= x <= width + 1e-6
            assert -1e-6 <= y <= height + 1e-6
        assert abs(window.angle) <= math.radians(40)
    assert len(set(windows)) == 200
    upright = [draw_window(PseudoMotion(0.5, 0.0), height, width, draws) for _ in range(200)]
    assert all(0.5 <= window.scale <= 1 and window.angle == 0 for window in upright)
    assert min(window.scale for window in upright) < 0.55


def test_the_whole_image_is_the_image():
    frame = torch.randint(0, 256, (3, 7, 9), dtype=torch.uint8)
    masks = torch.rand(2, 7, 9) > 0.5
    shown = show_window(Window((0.5, 0.5), 1.0, 0.0), frame, masks)
    assert torch.equal(shown[0], frame)
    assert torch.equal(shown[1], masks)


def test_pixels_and_masks_are_read_at_the_same_turned_points():
    """Red is 4 times the column, green 4 times the row, so a frame says where it was read."""
    height, width = 40, 60
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    frame = torch.stack([4 * columns, 4 * rows, 0 * rows]).to(torch.uint8)
    masks = ((columns >= 25) & (rows >= 12))[None]
    window = Window((0.55, 0.45), 0.6, math.radians(20))
    shown, moved = show_window(window, frame, masks)
    cos, sin = math.cos(window.angle), math.sin(window.angle)
    for y, x in ((20, 30), (5, 50), (33, 8)):
        across, down = 0.6 * (x + 0.5 - width / 2), 0.6 * (y + 0.5 - height / 2)
        source_x = 0.55 * width + cos * across - sin * down - 0.5
        source_y = 0.45 * height + sin * across + cos * down - 0.5
        assert shown[:2, y, x].tolist() == pytest.approx([4 * source_x, 4 * source_y], abs=0.51)
        assert moved[0, y, x] == (round(source_x) >= 25 and round(source_y) >= 12)


def test_a_clip_shows_one_image_three_times_with_the_same_objects(coco):
    clips = sampler(coco)
    for index in range(6):
        clip, image = clips.clip(index), clips.video(index)
        assert clip.frames.shape == (3, 3, HEIGHT, WIDTH)
        assert clip.frames.dtype == torch.uint8
        assert clip.masks.shape == (3, 1, HEIGHT, WIDTH)
        # the crowd of image 7 is no object; `person` is the second class of the target
        assert clip.labels.tolist() == [1]
        assert set(clip.frames[:, 2].flatten().tolist()) == {image.id}
        assert not torch.equal(clip.frames[0], clip.frames[1])
        for t in range(3):
            # where the mask is, the picture shows the object's columns and rows
            red = clip.frames[t, 0][clip.masks[t, 0]].float() / 6
            low, high = (8, 30) if image.id == 3 else (5, 15)
            if len(red):
                assert low - 1.2 <= red.min()
                assert red.max() <= high + 0.2
            inside = clip.masks[t, 0].nonzero()
            assert bool(clip.visible[t, 0]) == bool(len(inside))
            if len(inside):
                y1, x1 = inside.min(0).values.tolist()
                y2, x2 = (inside.max(0).values + 1).tolist()
                assert clip.boxes[t, 0].tolist() == [x1, y1, x2, y2]


def test_resize_and_flip_are_shared_by_the_frames(coco):
    still = PseudoMotion(1.0, 0.0)
    plain = sampler(coco, still)
    changed = sampler(coco, still, Augmentation(short_sides=(60,), flip=1.0))
    clip = changed.clip(2)
    assert clip.frames.shape == (3, 3, 60, 80)
    assert torch.equal(clip.frames[0], clip.frames[2])
    # doubled and mirrored
    red = clip.frames[0, 0, ::2, ::2].float()
    assert (red.flip(-1) - plain.clip(2).frames[0, 0].float()).abs().max() <= 6


def test_the_same_index_gives_the_same_clip_after_pickling(coco):
    first = sampler(coco)
    again = pickle.loads(pickle.dumps(first))
    for index in (4, 0):
        one, other = first.clip(index), again.clip(index)
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.masks, other.masks)
    assert not torch.equal(first.clip(0).frames, sampler(coco, seed=6).clip(0).frames)


def test_every_image_once_an_epoch(coco):
    clips = sampler(coco)
    for epoch in range(4):
        assert {clips.video(2 * epoch + i).id for i in range(2)} == {3, 7}
    orders = {tuple(clips.video(2 * e + i).id for i in range(2)) for e in range(20)}
    assert len(orders) == 2


class Named:
    def __init__(self, name):
        self.name = name

    def clip(self, index):
        return self.name, index


@pytest.mark.parametrize("share", [Fraction(2, 7), Fraction(1, 2), Fraction(9, 10), Fraction(1, 1000)])
def test_the_mixture_keeps_its_share_and_both_orders(share):
    mixed = MixedClipSampler(Named("video"), Named("image"), share)
    clips = [mixed.clip(i) for i in range(2000)]
    for source in ("video", "image"):
        assert [i for name, i in clips if name == source] == list(range(len(clips)))[
            : sum(name == source for name, _ in clips)
        ]
    places = [i for i, (name, _) in enumerate(clips) if name == "image"]
    assert len(places) == math.floor(2000 * share)
    gaps = {b - a for a, b in pairwise(places)}
    assert max(gaps, default=1) - min(gaps, default=1) <= 1


def test_share_by_dataset_size_counts_labelled_frames(coco, tmp_path):
    """2 images beside 3 videos of 4 frames."""
    write_split(tmp_path / "squares", "train", 3)
    videos = open_dataset(str(tmp_path / "squares"), "train")
    assert ExtraImages(coco).share_beside(videos) == Fraction(2, 14)
    assert ExtraImages(coco, share=0.25).share_beside(videos) == Fraction(1, 4)
    with pytest.raises(DataError, match="share is"):
        ExtraImages(coco, share=1.0).share_beside(videos)


def test_training_clips_draw_from_both(coco, tmp_path):
    write_split(tmp_path / "squares", "train", 3)
    videos = replace(open_dataset(str(tmp_path / "squares"), "train"), categories=TARGET, tracks=())
    extra = ExtraImages(coco, share=0.5)
    clips = training_clips(videos, extra, SAMPLING, AUGMENTATION, 1, 2)
    shapes = [tuple(clips.clip(i).frames.shape[-2:]) for i in range(6)]
    assert shapes == [(24, 32), SIZE] * 3
    plain = training_clips(videos, None, SAMPLING, AUGMENTATION, 1, 2)
    # the videos come in the order and with the augmentation that they have without images
    assert all(torch.equal(clips.clip(2 * i).frames, plain.clip(i).frames) for i in range(4))
    with pytest.raises(DataError, match="other categories"):
        training_clips(replace(videos, categories=TARGET[:1]), extra, SAMPLING, AUGMENTATION, 1, 2)


def test_bad_motion_and_no_images_are_refused(coco):
    for motion in ({"smallest_crop": 0.0}, {"smallest_crop": 1.1}, {"degrees": 46.0}, {"degrees": -1.0}):
        with pytest.raises(DataError, match=next(iter(motion))):
            PseudoMotion(**motion)
    with pytest.raises(DataError, match="no images"):
        sampler(replace(coco, videos=()))
