"""One training on 1, 2 and 3 devices, killed and resumed with another number of them: the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from device_trainings import Case, losses_of_steps, train_on, trained_bytes, write_videos

SMALL = {
    "train.batch_size": 8,
    "train.shard_clips": 2,
    "train.iterations": 12,
    "train.warmup_iterations": 2,
    "train.augmentation.short_sides": (64,),
    "train.augmentation.max_long_side": 96,
}
TWO_PHASES = {**SMALL, "train.iterations": 6, "non_key_training.iterations": 6}
CASES = [
    *(
        Case(name, SMALL)
        for name in ("stc", "querytrack", "masktrack_rcnn", "mask2former_vis", "inspro_motr")
    ),
    Case("inspro_lite", TWO_PHASES),
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("videos"))


def check(
    case: Case, videos: Path, tmp_path: Path, ways: list[tuple[int, int | None, int]], workers: int = 0
) -> None:
    """ways: (devices, iterations after which it is killed or None, devices that go on). workers: of these."""
    whole = tmp_path / "whole"
    train_on(case, videos, whole, 1)
    expected, losses = trained_bytes(whole), losses_of_steps(whole)
    steps = case.values["train.iterations"] + case.values.get("non_key_training.iterations", 0)
    assert list(losses) == list(range(steps))
    case = replace(case, workers=workers)
    for number, (first, killed_after, second) in enumerate(ways):
        out = tmp_path / str(number)
        if killed_after is not None:
            train_on(case, videos, out, first, killed_after)
            assert not (out / "checkpoint.safetensors").exists()
        train_on(case, videos, out, second)
        found = trained_bytes(out)
        assert found.keys() == expected.keys()
        differ = [name for name in expected if found[name] != expected[name]]
        assert not differ, (
            f"{case.method}, {ways[number]}: {len(differ)} tensors differ, such as {differ[:3]}"
        )
        assert losses_of_steps(out) == losses


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.method)
def test_the_number_of_devices_changes_no_byte(case: Case, videos: Path, tmp_path: Path) -> None:
    check(case, videos, tmp_path, [(1, None, 2), (1, None, 3), (2, 5, 3), (3, 7, 1)])


@pytest.mark.long
def test_workers_change_no_byte(videos: Path, tmp_path: Path) -> None:
    check(CASES[0], videos, tmp_path, [(1, None, 1), (1, None, 2)], workers=2)


@pytest.mark.slow
def test_two_devices_give_the_bytes_of_one(videos: Path, tmp_path: Path) -> None:
    """A short one of the above for every run of the tests: batch norms, an average, an auxiliary head."""
    short = {**SMALL, "train.iterations": 4}
    check(Case("mask2former_vis", short, 2), videos, tmp_path, [(2, 3, 2)], workers=2)
