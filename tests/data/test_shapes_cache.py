"""The cached data set: deterministic, complete or absent, and with the statistics that are promised."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.shapes import (
    FIRST_ANNOTATIONS,
    FIRST_VERSION,
    GENERATOR_VERSION,
    SHAPE_SETS,
    cache,
    ensure_shapes,
    layout,
    version,
    workers,
)
from vis_bench.data.shapes.render import render_video
from vis_bench.data.validate import verify
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.files import read_json, sha256


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def generate(folder: Path, indices: list[int], processes: int) -> tuple[str, str]:
    videos = workers.write_videos("shapes", "train", indices, folder, processes, progress=False)
    content = layout.annotation_file("shapes", "train", "v", videos)
    return tree_hash(folder), json.dumps(content)


def test_the_same_bytes_again_and_with_two_processes(tmp_path: Path) -> None:
    indices = [0, 3, 4, 9, 21]
    first = generate(tmp_path / "a", indices, processes=1)
    assert generate(tmp_path / "b", indices, processes=1) == first
    assert generate(tmp_path / "c", indices, processes=2) == first
    assert generate(tmp_path / "d", [1, *indices[1:]], processes=1) != first


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_shapes("shapes-alike", "test", tmp_path_factory.mktemp("cache"), progress=False)


def test_layout(alike: Path) -> None:
    content = read_json(alike / "instances_test.json")
    assert content["info"]["version"] == FIRST_VERSION
    assert [(c["id"], c["name"]) for c in content["categories"]] == list(
        enumerate(["disc", "square", "triangle", "star", "cross"], start=1)
    )
    assert len(content["videos"]) == 30
    for video in content["videos"]:
        assert (video["width"], video["height"], video["length"]) == (160, 96, 16)
        assert video["file_names"] == [f"{video['id'] - 1:04d}/{t:05d}.jpg" for t in range(16)]
        assert all((alike / "JPEGImages" / name).is_file() for name in video["file_names"])
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    for annotation in content["annotations"]:
        for key in ("segmentations", "bboxes", "areas"):
            assert len(annotation[key]) == annotation["length"] == 16
        assert annotation["iscrowd"] == 0
    assert sorted(p.name for p in alike.iterdir()) == ["JPEGImages", "instances_test.json"]


def test_the_common_reader_finds_no_fault(alike: Path) -> None:
    dataset = read_dataset(alike / "instances_test.json", alike / "JPEGImages", "shapes-alike", "test")
    assert verify(dataset, check_frames=True) == []
    assert len(dataset.videos) == 30
    assert dataset.tracks is not None
    assert len(dataset.tracks) == len(read_json(alike / "instances_test.json")["annotations"])


def test_frames_on_disk_are_the_rendered_frames(alike: Path) -> None:
    plan = layout.plan_video("shapes-alike", "test", 2)
    for t, frame in enumerate(render_video(plan).frames):
        stored = np.asarray(Image.open(alike / "JPEGImages" / "0002" / f"{t:05d}.jpg"), dtype=float)
        assert np.abs(stored - frame).mean() < 6.0


def test_a_second_call_reuses_the_folder(alike: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "write_videos", None)
    assert ensure_shapes("shapes-alike", "test", alike.parent, progress=False) == alike


def test_another_version_does_not_reuse_old_data(
    alike: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(alike, tmp_path / alike.name)
    other = dataclasses.replace(SHAPE_SETS["shapes-alike"], version="0123456789ab")
    monkeypatch.setattr(cache, "SHAPE_SETS", {"shapes-alike": other})
    renewed = ensure_shapes("shapes-alike", "test", tmp_path, progress=False)
    assert renewed.name == "shapes-alike-test-0123456789ab"
    assert read_json(renewed / "instances_test.json")["info"]["version"] == "0123456789ab"


# what decides the content of a video, imports aside; renew it together with GENERATOR_VERSION, or alone where
# every frame and annotation stays as it is (compare two generated folders)
SOURCES = ("layout.py", "motion.py", "outline.py", "parameters.py", "render.py", "scenario.py", "truth.py")
SOURCES_OF_VERSION = ("53d3b406bdf0", "53d3b406bdf0")
SOURCES_OF_STILLS = ("199859790c4c", "199859790c4c")


def without_imports(text: str) -> str:
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(line for line in lines if line.strip())


def test_changed_sources_need_another_version() -> None:
    package = Path(version.__file__).parent
    text = "\n".join(without_imports((package / name).read_text(encoding="utf-8")) for name in SOURCES)
    assert (version.GENERATOR_VERSION, sha256(text.encode())[:12]) == SOURCES_OF_VERSION
    text = without_imports((package / "stills.py").read_text(encoding="utf-8"))
    assert (version.STILLS_VERSION, sha256(text.encode())[:12]) == SOURCES_OF_STILLS
    # everything that draws, renders or writes is in the list; the rest only names or finds the result
    others = {"__init__.py", "cache.py", "static.py", "stills.py", "version.py", "workers.py"}
    assert {path.name for path in package.glob("*.py")} == others | set(SOURCES)


# of the difficulty sets that are as old as records that name them, and of version 2
ANNOTATION_HASHES = {
    "shapes-occlusion": "7e7f79754ec221457c2d774494919da81e69e6dfe5fbb57c64438075da12e44f",
    "shapes-crossing": "0e6b934edbbbb21f93859cf2d49141401eeccc8fdabfbb61b35c77f38a3cc614",
    "shapes-alike": "a8fadcf09191edda4fe8b40e7510171142dc38011c8996b32e2333d5bfff19c8",
    "shapes-long": "cb9581062c2831ef7d5d571c00b5a1de4d0ec1a6ec2a1565c6a93b20ac61cc25",
    "shapes-entering": "c44177db9eb74ccb959d1018804643137cc16d8669e04eed47449e3a07ba1f9f",
    "shapes-v1": FIRST_ANNOTATIONS["test"],
    "shapes": "71e9b0e26a2e80602600b261932e55bb5394d9de2e6973f7d9e25f92c1ec9995",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPE_SETS)
def test_the_content_is_pinned(name: str, tmp_path: Path) -> None:
    """Records name the annotations by their hash, so that what an old one was made of can be had again."""
    folder = ensure_shapes(name, "test", tmp_path, progress=False)
    assert sha256((folder / "instances_test.json").read_bytes()) == ANNOTATION_HASHES[name]
    first = name not in ("shapes", "shapes-entering")
    assert folder.name == f"{name}-test-{FIRST_VERSION if first else GENERATOR_VERSION}"


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "val"])
def test_the_first_version_of_shapes_is_pinned(split: str, tmp_path: Path) -> None:
    folder = ensure_shapes("shapes-v1", split, tmp_path, progress=False)
    assert sha256((folder / f"instances_{split}.json").read_bytes()) == FIRST_ANNOTATIONS[split]


def test_two_processes_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(ensure_shapes, "shapes-crossing", "test", tmp_path, False) for _ in range(2)]
        folders = {job.result(timeout=120) for job in jobs}
    assert len(folders) == 1
    assert [p.name for p in tmp_path.iterdir()] == [folders.pop().name]


def test_the_later_of_two_generations_keeps_the_earlier_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    cache._publish(first, tmp_path / "target")
    cache._publish(second, tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "first"


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def interrupted(name: str, split: str, folder: Path, index: int) -> Any:
        if index == 2:
            assert any(folder.rglob("*.jpg"))
            raise KeyboardInterrupt
        done.append(index)
        return write_video(name, split, folder, index)

    write_video = workers.write_video
    monkeypatch.setattr(workers, "write_video", interrupted)
    monkeypatch.setattr(cache, "available_processes", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        ensure_shapes("shapes-long", "test", tmp_path, progress=False)
    assert done == [0, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_generation_is_never_taken_for_complete(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=ensure_shapes, args=("shapes", "train", tmp_path, False))
    process.start()
    deadline = time.monotonic() + 60
    while not any(tmp_path.rglob("*.jpg")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.join()
    [left_over] = tmp_path.iterdir()
    assert left_over.name.startswith(".shapes-train-")
    # The workers end with their parent instead of waiting for ever or rendering the rest.
    written = -1
    while written != (written := sum(1 for _ in left_over.rglob("*.jpg"))):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert written < 500 * 12
    # A day later the next generation removes what was left.
    os.utime(left_over, (time.time() - 86_400,) * 2)
    cache._remove_stale(tmp_path, ".shapes-train-")
    assert list(tmp_path.iterdir()) == []


def test_recent_temporary_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".shapes-test-abc").mkdir()
    cache._remove_stale(tmp_path, ".shapes-test-")
    assert (tmp_path / ".shapes-test-abc").is_dir()


def test_unknown_names_get_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'shapes-crosing'.* Did you mean 'shapes-crossing'"):
        ensure_shapes("shapes-crosing", "test", tmp_path)
    with pytest.raises(UsageError, match=r"'shapes-long' has no split 'train'.*test"):
        ensure_shapes("shapes-long", "train", tmp_path)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*another cache folder"):
        ensure_shapes("shapes-long", "test", tmp_path / "file", progress=False)


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"shapes-long-test-{FIRST_VERSION}").mkdir()
    with pytest.raises(DataError, match=r"incomplete.*Delete the folder"):
        ensure_shapes("shapes-long", "test", tmp_path, progress=False)


def test_no_torch_is_needed() -> None:
    code = "import sys, vis_bench.data.shapes; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def is_late(seen: list[bool]) -> bool:
    """Seen first after frame 3 (counted from 0), or again after 3 frames or more without."""
    text = "".join("x" if one else "." for one in seen).rstrip(".")
    return text.startswith("....") or "..." in text.lstrip(".")


def test_what_counts_as_late() -> None:
    late = {
        text: is_late([one == "x" for one in text]) for text in ("...xxxxx", "....xxxx", "x..xx", "x...x")
    }
    assert list(late.values()) == [False, True, False, True]
    assert not is_late([one == "x" for one in "xx......"])


def late_videos(content: dict[str, Any]) -> list[int]:
    """Late objects of each video, by the masks of the annotations."""
    counts = {video["id"]: 0 for video in content["videos"]}
    for one in content["annotations"]:
        counts[one["video_id"]] += is_late([mask is not None for mask in one["segmentations"]])
    return list(counts.values())


def check_promises(content: dict[str, Any]) -> None:
    """The statistics that the description of `shapes` promises for every split."""
    videos = content["videos"]
    tracks = [sum(a["video_id"] == v["id"] for a in content["annotations"]) for v in videos]
    assert np.mean(tracks) >= 3.0
    assert [v["facts"]["objects"] for v in videos] == tracks
    assert min(tracks) >= 1
    assert max(tracks) == 6
    assert np.mean([v["facts"]["max_occlusion"] > 0.5 for v in videos]) >= 0.3
    assert np.mean([v["facts"]["alike_pair"] for v in videos]) >= 0.2
    assert np.mean([v["facts"]["reappearances"] > 0 for v in videos]) >= 0.2
    late = late_videos(content)
    assert np.mean([count > 0 for count in late]) >= 0.3
    assert [v["facts"]["late_objects"] for v in videos] == late
    assert {a["category_id"] for a in content["annotations"]} == {1, 2, 3, 4, 5}
    areas = [area for a in content["annotations"] for area in a["areas"] if area is not None]
    assert min(areas) >= 12
    assert np.median(areas) > 300


def test_promised_statistics_of_the_validation_split(tmp_path: Path) -> None:
    folder = ensure_shapes("shapes", "val", tmp_path, progress=False)
    check_promises(read_json(folder / "instances_val.json"))


def test_every_video_of_the_entering_set_has_two_late_objects(tmp_path: Path) -> None:
    content = read_json(ensure_shapes("shapes-entering", "test", tmp_path, False) / "instances_test.json")
    late = late_videos(content)
    assert min(late) >= 1
    assert np.mean([count >= 2 for count in late]) >= 0.9
    entering = [next(t for t, m in enumerate(a["segmentations"]) if m) > 3 for a in content["annotations"]]
    assert sum(entering) >= 30


@pytest.mark.long
def test_promised_statistics_and_time_of_the_full_set(tmp_path: Path) -> None:
    start_s = time.monotonic()
    folders = {
        split: ensure_shapes("shapes", split, tmp_path, progress=False) for split in ("train", "val", "test")
    }
    elapsed_s = time.monotonic() - start_s
    for split, folder in folders.items():
        check_promises(read_json(folder / f"instances_{split}.json"))
    assert elapsed_s < 60.0 * max(1.0, 2 / workers.available_processes())
