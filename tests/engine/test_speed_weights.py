"""Whose weights `vis-bench speed --runs` takes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vis_bench.engine.speed.plan import SpeedSettings, plan_speed, protocols_for
from vis_bench.engine.speed.task import build
from vis_bench.errors import MethodError

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def plan(squares, tmp_path):
    def call(variant="", **given):
        protocols = protocols_for(["stream"], device_kind="cpu", frames=20, short=True)
        settings = SpeedSettings(str(squares), "val", protocols, tmp_path / "speed", **given)
        (found,), dataset = plan_speed([TOY + variant], settings)
        return found, dataset

    return call


def test_the_weights_of_the_run_are_the_weights_that_are_timed(
    plan, vis_bench, squares, protocol, tmp_path, monkeypatch
):
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    runs = tmp_path / "runs"
    code, _, _ = vis_bench(
        "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--out", runs, "--jobs", 1
    )
    assert code == 0
    found, dataset = plan(runs=runs)
    assert found.weights_text.startswith("run ")
    assert found.weights_text.endswith("seed 0")
    _, model = build(found.inspection()[0], dataset)
    (checkpoint,) = runs.glob("squares-val/**/checkpoint.safetensors")
    for name, value in load_file(checkpoint).items():
        assert torch.equal(model.state_dict()[name], value), name
    # a variant that was never trained is timed with the weights of what it changes, and says so
    far, _ = plan("@far", runs=runs)
    assert far.config_name == "default+far"
    assert far.weights == checkpoint
    assert far.weights_text.endswith("seed 0, of toy@default")
    random, _ = plan()
    _, other = build(random.inspection()[0], dataset)
    assert not torch.equal(other.filter.weight, model.filter.weight)
    assert random.directory != found.directory


def test_random_weights_are_the_same_in_every_process(plan):
    found, dataset = plan()
    first, second = (build(found.inspection()[0], dataset)[1] for _ in range(2))
    assert torch.equal(first.filter.weight, second.filter.weight)


def test_weights_that_do_not_fit_are_an_error(plan, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"filter.weight": torch.zeros(1, 3, 3, 3)}, path)
    found, dataset = plan(weights=path)
    with pytest.raises(MethodError, match=r"other.safetensors does not fit toy: .*filter.bias"):
        build(found.inspection()[0], dataset)
