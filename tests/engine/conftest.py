"""A data set of three training and two validation videos, and a way to call the command line in process."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ytvis_files import rle

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
SIZE = (24, 32)


def write_split(folder: Path, split: str, videos: int, frames: int = 4) -> None:
    """A bright square moves right on a dark ground; one object a video."""
    records, annotations = [], []
    for video in range(videos):
        names = [f"{split}{video}/{i:05d}.jpg" for i in range(frames)]
        masks = []
        for i, name in enumerate(names):
            mask = np.zeros(SIZE, np.uint8)
            mask[6 + video : 14 + video, 4 + 3 * i : 12 + 3 * i] = 1
            path = folder / split / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image = np.repeat((40 + 180 * mask)[..., None], 3, axis=2).astype(np.uint8)
            Image.fromarray(image).save(path, quality=95)
            masks.append(mask)
        height, width = SIZE
        records.append({"id": video, "width": width, "height": height, "length": frames, "file_names": names})
        annotations.append(
            {
                "id": video,
                "video_id": video,
                "category_id": 0,
                "iscrowd": 0,
                "segmentations": [rle(mask) for mask in masks],
                "bboxes": [[4.0 + 3 * i, 6.0 + video, 8.0, 8.0] for i in range(frames)],
                "areas": [64] * frames,
            }
        )
    payload = {
        "videos": records,
        "categories": [{"id": 0, "name": "square"}],
        "annotations": annotations,
    }
    (folder / split / f"instances_{split}.json").write_text(json.dumps(payload))


@pytest.fixture
def squares(tmp_path):
    """Folder with splits `train` and `val` in the YouTube-VIS layout; ids start at 0."""
    folder = tmp_path / "squares"
    write_split(folder, "train", 3)
    write_split(folder, "val", 2)
    return folder


@pytest.fixture
def protocol(tmp_path):
    """A protocol without pretraining, auxiliary loss or average; checkpoints every two iterations."""
    path = tmp_path / "plain.toml"
    path.write_text(
        'name = "plain"\nabout = "test"\nconfig = "default"\n[training]\ncheckpoint_every_iterations = 2\n'
    )
    return path


@pytest.fixture
def vis_bench(monkeypatch, capsys):
    """Call the command line: `code, out, err = vis_bench("run", ...)`."""
    from vis_bench.cli import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["vis-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call
