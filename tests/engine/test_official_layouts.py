"""Files in the layouts of the official archives: load by name, verify, train a step, score on devval."""

import json

import numpy as np
import pytest
from PIL import Image
from ytvis_files import rle

from vis_bench.data.catalog import class_names

SIZE = (64, 96)
LAYOUTS = {
    "ytvis19": ("train.json", "train/JPEGImages/{video}/{i:05d}.jpg", "{video}/{i:05d}.jpg"),
    "ytvis21": ("train/instances.json", "train/JPEGImages/{video}/{i:05d}.jpg", "{video}/{i:05d}.jpg"),
    "ovis": ("annotations_train.json", "train/{video}/img_{i:07d}.jpg", "{video}/img_{i:07d}.jpg"),
}


def write_official(root, name):
    """Eight videos of two frames with one moving square each."""
    annotations, frame_path, file_name = LAYOUTS[name]
    folder = root / name
    videos, tracks = [], []
    for video in range(1, 9):
        masks = []
        for i in range(2):
            mask = np.zeros(SIZE, np.uint8)
            mask[16:48, 8 + 24 * i : 40 + 24 * i] = 1
            masks.append(mask)
            path = folder / frame_path.format(video=f"{name}{video}", i=i)
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(np.repeat((60 + 150 * mask)[..., None], 3, 2).astype(np.uint8))
            # no two videos are the same file by file
            image.save(path, comment=path.parent.name)
        names = [file_name.format(video=f"{name}{video}", i=i) for i in range(2)]
        videos.append({"id": video, "height": SIZE[0], "width": SIZE[1], "length": 2, "file_names": names})
        tracks.append(
            {
                "id": video,
                "video_id": video,
                "category_id": 1 + video % 3,
                "iscrowd": 0,
                "segmentations": [rle(mask) for mask in masks],
                "bboxes": [[8.0 + 24 * i, 16.0, 32.0, 32.0] for i in range(2)],
                "areas": [1024, 1024],
            }
        )
    categories = [{"id": i + 1, "name": label} for i, label in enumerate(class_names(name))]
    payload = {"info": {}, "videos": videos, "categories": categories, "annotations": tracks}
    (folder / annotations).parent.mkdir(parents=True, exist_ok=True)
    (folder / annotations).write_text(json.dumps(payload))


@pytest.mark.parametrize("name", LAYOUTS)
def test_load_verify_train_and_score(vis_bench, tmp_path, name):
    write_official(tmp_path / "data", name)
    protocol = tmp_path / "plain.toml"
    protocol.write_text('name = "plain"\nabout = "test"\nconfig = "tiny"\n')
    code, out, _ = vis_bench("data", "verify", name, "--data-root", tmp_path / "data")
    assert code == 0
    assert out.startswith(f"{name} devval: 2 videos, 4 frames, 2 tracks, 4 masks, 0 problems")
    code, out, _ = vis_bench(
        "run", "--methods", "stc", "--dataset", name, "--data-root", tmp_path / "data",
        "--protocol", protocol, "--set", "train.iterations=1", "--set", "train.batch_size=1",
        "--set", "test_short_side=64", "--jobs", 1, "--out", tmp_path / "runs", "--json", "-",
    )  # fmt: skip
    assert code == 0
    (record,) = json.loads(out)
    assert (record["status"], record["split"], record["data"]["videos"]) == ("done", "devval", 2)
    assert (record["train_data"]["split"], record["train_data"]["videos"]) == ("train", 6)
    assert record["metrics"]["video_ap"]["AP"] is not None
    assert len(record["config_values"]["train"]) > 5
