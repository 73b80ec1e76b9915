"""Reading frames. A frame that cannot be read completely and correctly is an error, never a grey picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from vis_bench.errors import DataError
from vis_bench.types import Dataset, Video

# 16-bit and floating point pictures have no defined mapping to 8 bits; PIL would clip them silently.
_UNSUPPORTED_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def load_frame(image_root: Path, file_name: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read one frame as [H, W, 3] uint8 RGB. EXIF rotation is not applied, because the masks do not have it.

    file_name: relative to image_root, as in the annotation file. size: expected (height, width) in pixels.
    Raises DataError when the file is missing, not an image, cut off, deeper than 8 bits or of another size.
    """
    path = image_root / file_name
    try:
        with Image.open(path) as image:
            if image.mode in _UNSUPPORTED_MODES:
                raise DataError(f"{path}: has pixels of mode {image.mode}. Convert the frames to 8 bits.")
            # converting copies, also where nothing is to be done
            frame = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except FileNotFoundError:
        raise DataError(_missing(image_root, file_name)) from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is not an image. Unpack the dataset again.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: damaged image ({error}). Unpack the dataset again.") from None
    if size is not None and frame.shape[:2] != size:
        raise DataError(
            f"{path}: is {frame.shape[1]}x{frame.shape[0]} pixels, the annotation file says "
            f"{size[1]}x{size[0]}. Frames and annotations must belong to the same version of the dataset."
        )
    return frame


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


def _missing(image_root: Path, file_name: str) -> str:
    folder, _, last = file_name.rpartition("/")
    lines = [f"{image_root / file_name}: no such frame. Expected:", f"  {image_root}/"]
    lines += [f"    {folder}/", f"      {last}"] if folder else [f"    {last}"]
    reason = "the image folder itself is missing" if not image_root.is_dir() else "the frame is missing"
    return "\n".join([*lines, f"({reason}; unpack the frames there or give the right data root)"])
