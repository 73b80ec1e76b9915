"""Killed at any moment and called again, everything ends as if nothing had happened, and nothing is left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMES = (
    # data generation, packed store, image stage, checkpoint of a training, its end
    *("stills-4", ".store", "classes.json", "resume.pt", "checkpoint.safetensors"),
    # tracking, detections, record, report, baseline
    *("predictions", "frames.jsonl.gz", "record.json", "report.html", "baseline"),
)
MOMENTS = [(name, moment) for name in NAMES for moment in ("begin", "end")]
TIMES = 10
SECONDS = 1200
# what tells when and where, and not what came out
WHEN_AND_WHERE = ("timing", "git", "hardware", "versions", "image_stage")
ENDED = -9


class Work:
    """The whole work in a folder of its own, with its own cache; every process of it is marked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex

    def start(self, *killed: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, HERE / "kill_steps.py", self.folder, *killed],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "said.txt").open("ab"),
            env={
                **os.environ,
                "VIS_BENCH_CACHE": str(self.folder / "cache"),
                "VIS_BENCH_KILL_MARK": self.mark,
                "OMP_NUM_THREADS": "1",
            },
        )

    def finish(self) -> None:
        code = self.start().wait(timeout=SECONDS)
        assert code == 0, (self.folder / "said.txt").read_text()[-3000:]

    def require_no_orphan(self) -> None:
        deadline = time.monotonic() + 60
        while left := list(self.processes()):
            assert time.monotonic() < deadline, f"processes that outlive their parent: {left}"
            time.sleep(0.1)

    def processes(self) -> Iterator[int]:
        for place in Path("/proc").iterdir():
            try:
                if place.name.isdigit() and self.mark.encode() in (place / "environ").read_bytes():
                    yield int(place.name)
            except OSError:
                continue

    def results(self) -> dict[str, bytes]:
        """What the work leaves, by its place; of files that tell times only that they are there."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            place = path.relative_to(self.folder).as_posix()
            kept_aside = path.name in (".lock", ".lease", "said.txt") or path.name.startswith("busy-")
            if path.is_dir() or kept_aside or "tensorboard" in place:
                continue
            if "/known/" in place:
                continue  # named after the folder
            content = path.read_bytes() if _is_result(path) else b""
            # a baseline says where its data set lies
            content = content.replace(str(self.folder).encode(), b"FOLDER")
            found[place] = _timeless(content) if path.name == "record.json" else content
        return found


def _is_result(path: Path) -> bool:
    results = (".safetensors", ".jpg", ".store", ".gz", ".json", ".png")
    return path.suffix in results and "report" not in path.parts


def _timeless(content: bytes) -> bytes:
    record = json.loads(content)
    return json.dumps({key: value for key, value in record.items() if key not in WHEN_AND_WHERE}).encode()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """What is left by work that nobody disturbs, and the seconds that it takes."""
    work, begin = Work(tmp_path_factory.mktemp("undisturbed")), time.monotonic()
    work.finish()
    return work.results(), time.monotonic() - begin


def check(work: Work, expected: dict[str, bytes]) -> None:
    work.require_no_orphan()
    work.finish()
    work.require_no_orphan()
    found = work.results()
    assert sorted(found) == sorted(expected)
    assert [place for place in expected if found[place] != expected[place]] == []


def killed_when_writing(folder: Path, name: str, moment: str, expected: dict[str, bytes]) -> None:
    work = Work(folder)
    assert work.start(name, moment).wait(timeout=SECONDS) == ENDED, "it was never written"
    check(work, expected)


def test_the_moments_are_enough() -> None:
    assert len(MOMENTS) + TIMES >= 30


@pytest.mark.long
@pytest.mark.parametrize(("name", "moment"), [("resume.pt", "end")])
def test_killed_when_the_state_was_written(tmp_path, undisturbed, name, moment) -> None:
    killed_when_writing(tmp_path, name, moment, undisturbed[0])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "moment"), MOMENTS)
def test_killed_when_writing(tmp_path, undisturbed, name, moment) -> None:
    killed_when_writing(tmp_path, name, moment, undisturbed[0])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("number", range(TIMES))
def test_killed_at_any_time(tmp_path, undisturbed, number) -> None:
    expected, seconds = undisturbed
    work = Work(tmp_path)
    process = work.start()
    time.sleep(random.Random(number).uniform(0.1, 0.95) * seconds)
    process.kill()
    process.wait()
    check(work, expected)
