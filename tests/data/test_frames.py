import dataclasses
import os

import numpy as np
import pytest
from PIL import Image
from ytvis_files import HEIGHT, WIDTH, payload, write_frames, write_json

from vis_bench.data.frames import iterate_frames, load_frame, load_video_frame
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError


@pytest.fixture
def dataset(tmp_path):
    value = payload()
    write_frames(tmp_path / "JPEGImages", value["videos"])
    return read_dataset(write_json(tmp_path / "gt.json", value), tmp_path / "JPEGImages", "mine", "val")


def test_frames_are_rgb(dataset):
    frames = list(iterate_frames(dataset, dataset.videos[0]))
    assert len(frames) == 2
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert frames[0].dtype == np.uint8
    # The test picture is (200, 30, 60); JPEG moves a flat colour by a few units at most.
    assert np.abs(frames[0].astype(int) - (200, 30, 60)).max() <= 3


def test_grey_pictures_become_three_channels(tmp_path):
    Image.new("L", (3, 2), 77).save(tmp_path / "grey.png")
    assert load_frame(tmp_path, "grey.png").tolist() == [[[77] * 3] * 3] * 2


def test_missing_frame_shows_the_expected_tree(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError) as caught:
        load_frame(tmp_path / "JPEGImages", "video7/00005.jpg")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{tmp_path / 'JPEGImages/video7/00005.jpg'}: no such frame. Expected:"
    assert lines[1:4] == [f"  {tmp_path / 'JPEGImages'}/", "    video7/", "      00005.jpg"]
    with pytest.raises(DataError, match="image folder itself is missing"):
        load_frame(tmp_path / "nowhere", "video7/00005.jpg")


def test_truncated_jpeg_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.jpg")
    whole = (tmp_path / "x.jpg").read_bytes()
    for kept in (len(whole) // 2, 10, 0):
        (tmp_path / "x.jpg").write_bytes(whole[:kept])
        with pytest.raises(DataError, match=r"x\.jpg: (damaged image|is not an image)"):
            load_frame(tmp_path, "x.jpg")


def test_wrong_size_is_an_error(dataset):
    video = dataclasses.replace(dataset.videos[0], width=WIDTH + 1)
    with pytest.raises(DataError, match="is 20x12 pixels, the annotation file says 21x12"):
        load_video_frame(dataset, video, 0)


def test_sixteen_bit_pictures_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 60000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="Convert the frames to 8 bits"):
        load_frame(tmp_path, "deep.png")


def test_dataset_without_frames_says_where_they_belong(dataset):
    bare = dataclasses.replace(dataset, image_root=None)
    with pytest.raises(DataError, match=r"no frames were found .* JPEGImages/a/00000\.jpg"):
        load_video_frame(bare, bare.videos[0], 0)


def test_only_jpeg_and_png_are_opened(tmp_path):
    """Pillow would start Ghostscript for PostScript in a file that is named .jpg."""
    (tmp_path / "x.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n")
    with pytest.raises(DataError, match="not an image in JPEG or PNG"):
        load_frame(tmp_path, "x.jpg")
    for kind in ("BMP", "GIF", "TIFF", "WEBP"):
        Image.new("RGB", (4, 4)).save(tmp_path / "y.png", format=kind)
        with pytest.raises(DataError, match="not an image in JPEG or PNG"):
            load_frame(tmp_path, "y.png")


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 3), ("JPEG", 6), ("PNG", 8)])
def test_a_turned_picture_is_refused(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (4, 4)).save(tmp_path / "x", format=kind, exif=exif)
    with pytest.raises(DataError, match=f"EXIF orientation {orientation}"):
        load_frame(tmp_path, "x", (4, 4))
    exif[0x0112] = 1
    Image.new("RGB", (4, 4)).save(tmp_path / "x", format=kind, exif=exif)
    assert load_frame(tmp_path, "x", (4, 4)).shape == (4, 4, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_size_is_compared_before_anything_is_decoded(tmp_path, monkeypatch):
    Image.new("L", (11_000, 10_000)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(DataError, match=r"is 11000x10000 pixels, the annotation file says 4x3"):
        load_frame(tmp_path, "x.png", (3, 4))
    with pytest.raises(DataError, match="claims 11000x10000 pixels"):
        load_frame(tmp_path, "x.png")


def test_pipes_and_devices_are_no_frames(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    (tmp_path / "y.jpg").symlink_to("/dev/zero")
    for name in ("x.jpg", "y.jpg"):
        with pytest.raises(DataError, match="no regular file"):
            load_frame(tmp_path, name)
