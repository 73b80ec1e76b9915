"""Frames and masks at their final size are those of the plain way: decode all, then transform."""

import dataclasses
import os

import numpy as np
import pytest
from ytvis_files import annotation, payload, rle, square, video_record, write_frames, write_json

torch = pytest.importorskip("torch")

from pathlib import Path  # noqa: E402

from PIL import Image  # noqa: E402
from reference_clips import ReferenceSampler  # noqa: E402

from vis_bench.data.catalog import open_dataset  # noqa: E402
from vis_bench.data.frames import load_frame  # noqa: E402
from vis_bench.data.ytvis import read_dataset  # noqa: E402
from vis_bench.engine.training.clips import pixels  # noqa: E402
from vis_bench.engine.training.clips.augment import nearest_exact  # noqa: E402
from vis_bench.engine.training.clips.draws import Draws, shuffled_once  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler  # noqa: E402
from vis_bench.errors import DataError  # noqa: E402
from vis_bench.method import Augmentation, ClipSampling  # noqa: E402

# smaller, larger, as it is, bounded by the long side; flips and crops with each
AUGMENTATIONS = {
    "halves": Augmentation(short_sides=(30, 45, 61), flip=0.5),
    "enlarged": Augmentation(short_sides=(130, 181), flip=0.5, crop=(0.6, 0.3)),
    "as it is": Augmentation(flip=0.5, crop=(0.5, 0.4)),
    "long side": Augmentation(short_sides=(70,), max_long_side=77, flip=0.5, crop=(1.0, 0.2)),
}


def photograph(rng, height, width, mode="RGB"):
    channels = {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    small = rng.integers(0, 256, (7, 9, channels), dtype=np.uint8)
    small = small[..., 0] if channels == 1 else small
    return Image.fromarray(small, mode).resize((width, height), Image.Resampling.BICUBIC)


def same(first, second):
    for field in dataclasses.fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
        assert torch.equal(a, b), field.name
        assert b.is_contiguous(), field.name


def outcome(read):
    """The bytes of a frame, or the text of the error."""
    try:
        return read().tobytes()
    except DataError as error:
        return str(error)


@pytest.fixture(scope="module")
def ragged(tmp_path_factory):
    """Three videos of 97 x 131 pixels with objects that are blobs, stripes, full images and empty masks."""
    folder, rng = tmp_path_factory.mktemp("ragged"), np.random.default_rng(0)
    height, width = 97, 131
    videos = [video_record(i, 4, folder=f"v{i}", width=width, height=height) for i in range(3)]
    tracks = []
    for number in range(12):
        density = (0.02, 0.5, 0.98)[number % 3]
        masks = [rng.random((height, width)) < density for _ in range(4)]
        masks[number % 4][:] = (number // 4) % 2 == 0  # a full or an empty one
        masks[(number + 1) % 4][:, : width // 2] = True  # whole columns, runs over their ends
        known = [None if rng.random() < 0.3 else rle(mask) for mask in masks]
        if number % 3 == 2:
            # one object, in one frame of four
            known = [rle(masks[0]) if number == 2 else None, None, None, None]
        tracks.append(
            annotation(number, number % 3, 7, segmentations=known, bboxes=[None] * 4, areas=[None] * 4)
        )
    root = folder / "JPEGImages"
    for video in videos:
        for name in video["file_names"]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            photograph(rng, height, width).save(root / name, quality=90)
    value = payload(videos=videos, annotations=tracks)
    return read_dataset(write_json(folder / "gt.json", value), root, "mine", "train")


@pytest.mark.parametrize("switch", ["0", ""])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_clips_are_those_of_the_plain_way(ragged, name, switch, monkeypatch):
    monkeypatch.setenv("VIS_BENCH_FAST", switch)
    arguments = (ragged, ClipSampling(frames=3), AUGMENTATIONS[name], 3, 4)
    plain, ours = ReferenceSampler(*arguments), ClipSampler(*arguments)
    clips = [ours.clip(i) for i in range(25)]
    for i, clip in enumerate(clips):
        same(plain.clip(i), clip)
    assert {0, 1} < {len(clip.labels) for clip in clips}


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_clips_are_those_of_the_plain_way(split):
    dataset = open_dataset(str(Path(os.environ["VIS_BENCH_FIXTURES"]) / "realvis"), split)
    augmentation = Augmentation(short_sides=(288, 360, 512, 800), flip=0.5, crop=(0.5, 0.5))
    arguments = (dataset, ClipSampling(frames=2), augmentation, 3, 4)
    plain, ours = ReferenceSampler(*arguments), ClipSampler(*arguments)
    for i in range(6):
        same(plain.clip(i), ours.clip(i))


KINDS = {
    "4:2:0": ("RGB", {"subsampling": "4:2:0"}),
    "4:2:2": ("RGB", {"subsampling": "4:2:2"}),
    "4:4:4": ("RGB", {"subsampling": "4:4:4"}),
    "progressive": ("RGB", {"progressive": True}),
    "restart markers": ("RGB", {"restart_marker_blocks": 3}),
    "best quality": ("RGB", {"quality": 100}),
    "worst quality": ("RGB", {"quality": 1}),
    "channels kept": ("RGB", {"keep_rgb": True}),
    "grey": ("L", {}),
    "four colours": ("CMYK", {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (13, 17), (96, 131)])
def test_a_jpeg_has_the_pixels_of_pillow(tmp_path, kind, size):
    mode, options = KINDS[kind]
    photograph(np.random.default_rng(1), *size, mode).save(tmp_path / "x.jpg", **options)
    found = pixels.read_frame(tmp_path, "x.jpg", size)
    assert np.array_equal(found.permute(1, 2, 0).numpy(), load_frame(tmp_path, "x.jpg"))


def test_a_turned_jpeg_is_refused_in_training_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    photograph(np.random.default_rng(1), 20, 30).save(tmp_path / "x.jpg", exif=exif)
    with pytest.raises(DataError, match="EXIF"):
        pixels.read_frame(tmp_path, "x.jpg", (20, 30))


def test_ordinary_jpegs_do_not_take_the_slow_way(tmp_path, monkeypatch):
    photograph(np.random.default_rng(1), 20, 30).save(tmp_path / "x.jpg")
    monkeypatch.setattr(pixels, "load_frame", None)
    assert pixels.read_frame(tmp_path, "x.jpg", (20, 30)).shape == (3, 20, 30)


def test_a_damaged_jpeg_is_what_pillow_says(tmp_path):
    """Cut off anywhere, or with bytes changed: the same error, or the same pixels."""
    rng = np.random.default_rng(2)
    path, size = tmp_path / "x.jpg", (40, 56)
    photograph(rng, *size).save(path, quality=90)
    whole = path.read_bytes()
    damaged = [whole[:stop] for stop in rng.integers(0, len(whole), 60)]
    # cut off and ended as if it were whole
    damaged += [whole[:stop] + b"\xff\xd9" for stop in rng.integers(0, len(whole), 60)]
    for _ in range(120):
        changed = bytearray(whole)
        for at in rng.integers(2, len(whole) - 2, 3):
            changed[at] = rng.integers(256)
        damaged.append(bytes(changed))
    errors = 0
    for data in damaged:
        path.write_bytes(data)
        plain = outcome(lambda: load_frame(tmp_path, "x.jpg", size))
        ours = outcome(lambda: pixels.read_frame(tmp_path, "x.jpg", size).permute(1, 2, 0).numpy())
        assert ours == plain
        errors += isinstance(plain, str)
    assert errors > 40


def test_a_missing_frame_and_one_of_another_size_are_errors(tmp_path):
    photograph(np.random.default_rng(1), 20, 30).save(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="no such frame"):
        pixels.read_frame(tmp_path, "y.jpg", (20, 30))
    with pytest.raises(DataError, match="is 30x20 pixels, the annotation file says 30x21"):
        pixels.read_frame(tmp_path, "x.jpg", (21, 30))


def test_a_frame_that_is_shown_twice_is_read_once(tmp_path, monkeypatch):
    video = video_record(1, 1)
    write_frames(tmp_path, [video])
    value = payload(
        videos=[video],
        annotations=[
            annotation(1, 1, 7, segmentations=[rle(square(2, 5, 3, 4))], bboxes=[None], areas=[None])
        ],
    )
    dataset = read_dataset(write_json(tmp_path / "gt.json", value), tmp_path, "mine", "train")
    read, reader = [], pixels.read_frame
    monkeypatch.setattr(pixels, "read_frame", lambda *given: read.append(given) or reader(*given))
    clip = ClipSampler(dataset, ClipSampling(frames=3), Augmentation(), 1, 2).clip(0)
    assert len(read) == 1
    assert torch.equal(clip.frames[0], clip.frames[2])


@pytest.mark.parametrize(
    ("source", "target"), [(720, 360), (720, 800), (1280, 853), (3, 7), (65535, 100), (5, 5)]
)
def test_nearest_pixels_are_those_of_torch(source, target):
    numbers = torch.arange(source, dtype=torch.float32)[None, None]
    expected = torch.nn.functional.interpolate(numbers, size=target, mode="nearest-exact")[0, 0]
    assert nearest_exact(source, target).tolist() == expected.tolist()


def test_an_order_is_drawn_once_and_cannot_be_changed():
    order = shuffled_once(50, 3, 1)
    assert order.tolist() == Draws(3, 1).shuffled(50)
    assert shuffled_once(50, 3, 1) is order
    with pytest.raises(ValueError, match="read-only"):
        order[0] = 1
