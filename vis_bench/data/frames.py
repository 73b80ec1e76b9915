"""Reading frames. A frame that cannot be read completely and correctly is an error, never a grey picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from vis_bench.errors import DataError
from vis_bench.files import PIXELS_VARIABLE, most_pixels
from vis_bench.types import Dataset, Video

# 16-bit and floating point pictures have no defined mapping to 8 bits; PIL would clip them silently.
_UNSUPPORTED_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# Pillow opens many more, some by starting other programs (Ghostscript for PostScript, whatever its name)
FORMATS = ("JPEG", "PNG")
_UPRIGHT = 1


def load_frame(image_root: Path, file_name: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read one frame, JPEG or PNG, as [H, W, 3] uint8 RGB.

    file_name: relative to image_root, as in the annotation file. size: expected (height, width) in pixels,
    compared before anything is decoded. Raises DataError when the file is missing, not such an image, cut
    off, deeper than 8 bits, of another size, or turned by an EXIF tag: masks may fit either picture.
    """
    with _opened(image_root, file_name) as image:
        path = image_root / file_name
        if image.format == "JPEG":
            # the better reason where the sides are exchanged; a PNG may have the tag behind its pixels
            _require_upright(path, image)
        _require_size(path, image.size[::-1], size)
        if image.mode in _UNSUPPORTED_MODES:
            raise DataError(f"{path}: has pixels of mode {image.mode}. Convert the frames to 8 bits.")
        _require_upright(path, image)
        # converting copies, also where nothing is to be done
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


@contextmanager
def _opened(image_root: Path, file_name: str) -> Iterator[Image.Image]:
    """An image whose pixels are not decoded yet; what goes wrong with it is a DataError."""
    path = image_root / file_name
    try:
        # a pipe would be waited for, a device read without end
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is no regular file. Unpack the dataset again.")
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except FileNotFoundError:
        raise DataError(_missing(image_root, file_name)) from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is not an image in JPEG or PNG. Unpack the dataset again.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: damaged image ({error}). Unpack the dataset again.") from None


def _require_size(path: Path, found: tuple[int, int], size: tuple[int, int] | None) -> None:
    # a picture of a few bytes can claim more than the memory holds
    if size is None and found[0] * found[1] > most_pixels():
        raise DataError(
            f"{path}: claims {found[1]}x{found[0]} pixels, more than the limit of {most_pixels():,}. "
            f"{PIXELS_VARIABLE}=PIXELS raises it."
        )
    if size is not None and found != size:
        raise DataError(
            f"{path}: is {found[1]}x{found[0]} pixels, the annotation file says {size[1]}x{size[0]}. "
            "Frames and annotations must belong to the same version of the dataset."
        )


def _require_upright(path: Path, image: Image.Image) -> None:
    """Raise DataError for a picture that viewers turn: nothing says on which one its masks were drawn."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    if orientation != _UPRIGHT:
        raise DataError(
            f"{path}: has the EXIF orientation {orientation}, so programs disagree on where its pixels are. "
            "Write the frames upright and without the tag (ImageMagick: mogrify -auto-orient), and check "
            "that the masks fit."
        )


def load_video_frame(dataset: Dataset, video: Video, index: int) -> np.ndarray:
    """Frame `index` (0-based) of a video, [H, W, 3] uint8 RGB, checked against the video's size.

    Raises DataError as load_frame, and when the dataset has no image folder.
    """
    return load_frame(image_root_of(dataset), video.file_names[index], (video.height, video.width))


def iterate_frames(dataset: Dataset, video: Video) -> Iterator[np.ndarray]:
    """The frames of a video in order, read one at a time."""
    for index in range(video.length):
        yield load_video_frame(dataset, video, index)


def image_root_of(dataset: Dataset) -> Path:
    """The folder that holds the frames. Raises DataError when none was found beside the annotations."""
    if dataset.image_root is None:
        first = dataset.videos[0].file_names[0] if dataset.videos else "<video>/<frame>.jpg"
        raise DataError(
            f"{dataset.name} {dataset.split}: no frames were found beside the annotation file. "
            f"Unpack them so that the first frame lies at JPEGImages/{first}."
        )
    return dataset.image_root


def require_frames(dataset: Dataset) -> None:
    """Look whether every frame of every video is there, before hours are spent on those that are.

    Opens no file. Raises DataError for the first frame that is missing.
    """
    image_root = image_root_of(dataset)
    for video in dataset.videos:
        for file_name in video.file_names:
            if not (image_root / file_name).is_file():
                raise DataError(_missing(image_root, file_name))


def require_upright(dataset: Dataset) -> None:
    """Look whether videos are turned by an EXIF tag, before anything is trained on or for them.

    Reads the header of each video's first frame: a camera turns all frames of a video alike, and each is
    looked at again when it is read. Raises DataError for the first that is turned, or is no image.
    """
    image_root = image_root_of(dataset)
    for video in dataset.videos:
        for file_name in video.file_names[:1]:
            with _opened(image_root, file_name) as image:
                _require_upright(image_root / file_name, image)


def _missing(image_root: Path, file_name: str) -> str:
    folder, _, last = file_name.rpartition("/")
    lines = [f"{image_root / file_name}: no such frame. Expected:", f"  {image_root}/"]
    lines += [f"    {folder}/", f"      {last}"] if folder else [f"    {last}"]
    other = _otherwise_spelled(image_root / file_name)
    if other is not None:
        advice = "rename the frames, or write their names as they are into `file_names`"
        return "\n".join([*lines, f"(there is {other}: {advice})"])
    reason = "the image folder itself is missing" if not image_root.is_dir() else "the frame is missing"
    return "\n".join([*lines, f"({reason}; unpack the frames there or give the right data root)"])


def _otherwise_spelled(path: Path) -> str | None:
    """A file beside that differs in upper and lower case, or in .jpg and .jpeg: 00000.JPG."""

    def plain(name: str) -> str:
        return name.casefold().replace(".jpeg", ".jpg")

    try:
        names = sorted(one.name for one in path.parent.iterdir())
    except (OSError, ValueError):
        return None
    return next((name for name in names if plain(name) == plain(path.name)), None)
