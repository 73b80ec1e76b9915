"""`vis_bench.compare` returns what `vis-bench compare --json` writes, from records and from files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from square_videos import write_split
from stored_runs import store_run

import vis_bench as api
from vis_bench.records.run import PREDICTIONS_NAME


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    write_split(tmp_path / "six", "val", 6)
    return tmp_path / "six"


def written(vis_bench: Callable[..., tuple[int, str, str]], target: Path, *arguments: object) -> object:
    code, _, err = vis_bench("compare", *arguments, "--json", target)
    assert code == 0, err
    return json.loads(target.read_text(encoding="utf-8"))


def test_from_records(vis_bench: object, videos: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in (0, 1):
        store_run(runs, videos, "whole", seed, range(6))
        store_run(runs, videos, "half", seed, range(3 + seed))
        store_run(runs, videos, "none", seed, ())
    names = ["whole", "half", "none"]
    file = written(vis_bench, tmp_path / "out.json", *names, "--records", runs)  # type: ignore[arg-type]
    found = api.compare(names, records=runs)
    assert found == file
    assert [one["b"] for one in found["comparisons"]] == ["half", "none"]
    options = ("--metric", "IDF1", "--margin", "1", "--all-pairs", "--threshold", "0.3")
    file = written(vis_bench, tmp_path / "all.json", *names, "--records", runs, *options)  # type: ignore[arg-type]
    assert api.compare(names, records=runs, metric="IDF1", margin=1, all_pairs=True, threshold=0.3) == file
    assert file != json.loads((tmp_path / "out.json").read_text())


def test_from_files(vis_bench: object, videos: Path, tmp_path: Path) -> None:
    names = []
    for name, found in (("a", range(6)), ("b", range(3))):
        folder = store_run(tmp_path / "runs", videos, name, 0, found)
        names.append(str(folder / PREDICTIONS_NAME))
    truth = videos / "val" / "instances_val.json"
    file = written(vis_bench, tmp_path / "out.json", *names, "--truth", truth)  # type: ignore[arg-type]
    assert api.compare(names, truth=truth) == file
    assert api.compare(names, truth=str(truth))["comparisons"][0]["mean"] > 0
