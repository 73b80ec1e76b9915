"""Video files through PyAV (extra `video`): frames one at a time, and writing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np

from vis_bench.errors import DataError, UsageError
from vis_bench.files import atomic_path

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
_CODECS = (("libx264", {"crf": "20", "preset": "veryfast"}), ("mpeg4", {"qscale": "4"}))


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Size in pixels as shown (rotation applied), frames, and frames per second."""

    width: int
    height: int
    frames: int
    rate: Fraction


def require_av() -> ModuleType:
    """PyAV. Raises UsageError with the command that installs it."""
    try:
        import av
    except ModuleNotFoundError:
        raise UsageError(
            "Video files need PyAV. Install it with: pip install 'vis-bench[video]'. A folder of frames "
            "needs "
            "nothing."
        ) from None
    return av


def read_video_frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video file in their order, [H, W, 3] uint8 RGB, upright; one is held at a time.

    Raises DataError for a file that is no video or is damaged.
    """
    av = require_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: holds no video.")
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                picture = frame.to_ndarray(format="rgb24")
                turns = (getattr(frame, "rotation", 0) // 90) % 4
                yield np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}). Is the file complete?") from None


def video_facts(path: Path) -> VideoFacts:
    """Size, length and rate of a video file. Counts by decoding: what a file says of its length may be wrong.

    Raises DataError as `read_video_frames`, and for a file without a frame or with frames of several sizes.
    """
    av = require_av()
    sizes, frames = set(), 0
    for picture in read_video_frames(path):
        sizes.add(picture.shape[:2])
        frames += 1
    if not frames:
        raise DataError(f"{path}: holds no frame.")
    if len(sizes) > 1:
        raise DataError(f"{path}: its frames have several sizes ({sorted(sizes)[:2]}).")
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate or Fraction(25)
    height, width = sizes.pop()
    return VideoFacts(width, height, frames, Fraction(rate))


@contextmanager
def writing_video(
    path: Path, width: int, height: int, rate: Fraction
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that takes [height, width, 3] uint8 RGB frames; the file is there when the block ends.

    H.264 where the installed PyAV has it, else MPEG-4. An odd side loses its last row or column, which
    the codecs do not take.
    """
    av = require_av()
    size = (width - width % 2, height - height % 2)
    if min(size) == 0:
        raise UsageError(f"{path}: {width}x{height} pixels are too few for a video.")
    codec, options = next((name, options) for name, options in _CODECS if name in av.codecs_available)
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"

        def write(picture: np.ndarray) -> None:
            cut = np.ascontiguousarray(picture[: size[1], : size[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))

        yield write
        container.mux(stream.encode())
