"""The headline: every paper configuration on YouTube-VIS 2021, as far as a CPU and made videos carry it."""

from __future__ import annotations

import json

import pytest
import torch
from test_official_layouts import write_official
from torchvision.models import resnet50, resnet101

from vis_bench.setup.plugins import method_names

SMALL = {
    "train.iterations": "2",
    "non_key_training.iterations": "2",
    # two shards, where the papers have up to eight of up to eight clips, which take a CPU half an hour
    "train.batch_size": "2",
    "train.shard_clips": "1",
    "train.augmentation.short_sides": "64",
    "train.augmentation.max_long_side": "96",
    "test_short_side": "64",
    "test_max_long_side": "96",
}


@pytest.fixture
def random_start(tmp_path, monkeypatch):
    """Random weights where the protocol looks for those of ImageNet."""
    from torchvision.models._api import WeightsEnum

    def from_nowhere(weights, *_, **__):
        build = resnet101 if "101" in str(weights) else resnet50
        torch.manual_seed(0)
        return build(weights=None).state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", from_nowhere)


@pytest.mark.long
def test_all_methods_train_and_score_on_ytvis21(vis_bench, tmp_path, random_start, monkeypatch) -> None:
    write_official(tmp_path / "data", "ytvis21")
    changes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    # in this process, where the start is given
    monkeypatch.setattr("vis_bench.engine.sweep._placed", one_after_the_other)
    # the protocol's two threads wait for each other in every operation where the cores are shared
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    code, out, err = vis_bench(
        "run", "--methods", "all", "--dataset", "ytvis21", "--data-root", tmp_path / "data",
        "--protocol", "paper", *changes, "--jobs", 1, "--out", tmp_path / "runs", "--json", "-",
    )  # fmt: skip
    assert code == 0, err
    records = json.loads(out)
    assert [record["method"] for record in records] == method_names()
    assert {record["status"] for record in records} == {"done"}
    assert {record["config"] for record in records} == {"paper"}
    assert all(record["config_values"]["train"]["shard_clips"] for record in records)
    assert all(record["metrics"]["video_ap"]["AP"] is not None for record in records)
    # ten rows: the methods of masks and, in a table of its own, the one of boxes; a long name is cut in its
    # row and stands whole below the table
    for name in method_names():
        assert f"\n{name} " in err or f"{name}[" in err


def one_after_the_other(runs, data, jobs, bars, slots, place):
    from vis_bench.engine.sweep import execute

    return [execute(run, data, bars.callback(run.label)) for run in runs]
