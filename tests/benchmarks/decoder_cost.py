"""Prints what ways of decoding a 720p JPEG cost, whether they give Pillow's pixels, and the parts of a clip.

    python tests/benchmarks/decoder_cost.py

CPU milliseconds, the least of five rounds over 24 frames of `photo_videos.py`. PyAV is measured where it is
installed; it is no dependency. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from photo_videos import write_photo_videos  # noqa: E402
from PIL import Image  # noqa: E402

from vis_bench.data.catalog import open_dataset  # noqa: E402
from vis_bench.data.frames import load_frame  # noqa: E402
from vis_bench.engine.training.clips.augment import ClipTransform  # noqa: E402
from vis_bench.engine.training.clips.pixels import (  # noqa: E402
    read_frame,
    transformed_frames,
    transformed_objects,
)

SIZE, HALF = (720, 1280), ClipTransform((360, 640), flip=True, crop=None)


def with_a_copy(path: Path) -> np.ndarray:
    """Pillow as frames were read before."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def scaled(path: Path) -> np.ndarray:
    """Pillow, decoded at half the size by libjpeg."""
    with Image.open(path) as image:
        image.draft("RGB", (640, 360))
        return np.asarray(image)


def pyav(path: Path) -> np.ndarray:
    """PyAV, one thread."""
    import av

    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def milliseconds(work: Callable[[Path], object], frames: list[Path]) -> float:
    """CPU time of one call."""
    rounds = []
    for _ in range(5):
        begin = time.process_time()
        for frame in frames:
            work(frame)
        rounds.append(time.process_time() - begin)
    return 1e3 * min(rounds) / len(frames)


def difference(found: np.ndarray, expected: np.ndarray) -> str:
    """Whether the pixels are those of Pillow."""
    if found.shape != expected.shape:
        return "another size"
    most = int(np.abs(found.astype(int) - expected).max())
    return "equal" if most == 0 else f"up to {most} of 255 off"


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(write_photo_videos(Path(folder), videos=2), "train")
        root = dataset.image_root
        assert root is not None
        frames = sorted(root.rglob("*.jpg"))

        def ours(path: Path) -> np.ndarray:
            return read_frame(root, str(path.relative_to(root)), SIZE).permute(1, 2, 0).numpy()

        ways = {
            "Pillow with a copy (before)": with_a_copy,
            "Pillow (load_frame)": lambda path: load_frame(root, str(path.relative_to(root)), SIZE),
            "torchvision (read_frame)": ours,
            "Pillow at half the size": scaled,
        }
        if importlib.util.find_spec("av") is not None:
            ways["PyAV"] = pyav
        print(f"{'a frame of 720p':<32}{'ms':>6}  pixels")
        for name, way in ways.items():
            same = difference(way(frames[0]), with_a_copy(frames[0]))
            print(f"{name:<32}{milliseconds(way, frames):>6.1f}  {same}")
        names = list(dataset.videos[0].file_names[:2])
        tracks = dataset.tracks_in_frames(dataset.videos[0].id, [0, 1])
        parts = {
            "both frames decoded": lambda _: [read_frame(root, name, SIZE) for name in names],
            "decoded, resized, moved": lambda _: transformed_frames(root, names, SIZE, HALF),
            f"masks and boxes of {len(tracks)} objects": lambda _: transformed_objects(tracks, 2, SIZE, HALF),
        }
        print(f"\n{'a clip of two frames at 360x640':<32}{'ms':>6}")
        for name, part in parts.items():
            print(f"{name:<32}{milliseconds(part, frames):>6.1f}")


if __name__ == "__main__":
    main()
