"""`run --start`, `--weights` and `weights export`, from the command line to the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vis_bench.weights.metadata import Origin, write_origin

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
STATE = {"filter.weight": torch.full((1, 3, 3, 3), 0.01), "filter.bias": torch.zeros(1)}


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra, methods=TOY, out=tmp_path / "runs"):
        return vis_bench(
            "run", "--methods", methods, "--dataset", squares, "--protocol", protocol,
            "--out", out, "--jobs", 1, "--set", "train.iterations=2", *extra,
        )  # fmt: skip

    return call


def record_of(folder: Path) -> tuple[dict, Path]:
    (path,) = folder.glob("squares-val/**/record.json")
    return json.loads(path.read_text()), path.parent


@pytest.fixture
def start(tmp_path) -> Path:
    path = tmp_path / "start.safetensors"
    save_file(STATE, path)
    return path


def test_the_record_says_what_was_loaded(run, start, tmp_path) -> None:
    code, _, err = run("--start", start)
    assert code == 0
    assert "start      start.safetensors: 2 of 2 tensors" in err
    record, _ = record_of(tmp_path / "runs")
    assert record["start"] == {
        "sha256": record["initial_weights"],
        "source": "start.safetensors",
        "loaded": 2,
        "of": 2,
        "missing": [],
    }
    assert "started from start.safetensors" in record["notes"]


def test_training_goes_on_from_the_start(run, start, tmp_path) -> None:
    assert run("--start", start, "--set", "train.lr=0")[0] == 0
    _, folder = record_of(tmp_path / "runs")
    assert torch.equal(load_file(folder / "checkpoint.safetensors")["filter.weight"], STATE["filter.weight"])


def test_weights_that_are_trained_are_a_start(run, start, tmp_path) -> None:
    assert run("--start", start)[0] == 0
    assert run("--weights", start, out=tmp_path / "again")[0] == 0
    (first, _), (second, _) = (record_of(tmp_path / name) for name in ("runs", "again"))
    assert first["run_hash"] == second["run_hash"]
    assert first["start"] == second["start"]


def test_another_start_is_another_run_and_none_is_a_third(run, start, tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({name: value + 1 for name, value in STATE.items()}, other)
    for extra in ((), ("--start", start), ("--start", other)):
        assert run(*extra)[0] == 0
    assert len(list((tmp_path / "runs").glob("squares-val/**/record.json"))) == 3


def test_start_and_weights_together_are_a_usage_error(run, start) -> None:
    assert run("--start", start, "--weights", start)[0] == 2
    assert run("--start", start, "--no-train")[0] == 2
    assert run("--start", start, "--class-rows", "some")[0] == 2


def test_what_cannot_be_started_from_has_its_exit_code(run, tmp_path) -> None:
    half = tmp_path / "half.safetensors"
    save_file({"filter.weight": STATE["filter.weight"]}, half)
    code, _, err = run("--start", half)
    assert code == 3
    assert "missing: filter.bias" in err
    broken = tmp_path / "broken.safetensors"
    save_file(STATE | {"filter.bias": torch.tensor([float("nan")])}, broken)
    code, _, err = run("--start", broken)
    assert code == 4
    assert "filter.bias holds NaN" in err
    assert run("--start", tmp_path / "absent")[0] == 3


def test_a_file_of_data_parallel_training_loads(run, tmp_path) -> None:
    path = tmp_path / "parallel.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in STATE.items()}}, path)
    code, _, err = run("--start", path)
    assert code == 0
    assert "names without `module.`: 2 of 2" in err


def test_a_folder_and_names(run, start, tmp_path) -> None:
    folder = tmp_path / "starts"
    folder.mkdir()
    assert run("--start", folder)[0] == 3
    start.rename(folder / "toy@default.safetensors")
    assert run("--start", folder)[0] == 0
    assert run("--start", f"toy={folder / 'toy@default.safetensors'}")[0] == 0
    assert run("--start", f"tyo={folder / 'toy@default.safetensors'}")[0] == 2


def test_a_start_needs_no_download(monkeypatch, vis_bench, squares, tmp_path) -> None:
    """The advice of the message about ImageNet weights works where there is no network."""

    def offline(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("methods.layers.pretraining.imagenet_weights", offline)
    from vis_bench.setup.plugins import build_method, load_spec

    spec = load_spec("stc")
    state = build_method(spec, spec.configs["tiny"], 1).state_dict()
    path = tmp_path / "stc.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    protocol = tmp_path / "imagenet.toml"
    protocol.write_text(
        'name = "imagenet"\nabout = "test"\nconfig = "tiny"\n[initialisation]\n'
        'recipe = "methods.layers.pretraining:imagenet_weights"\n'
    )
    code, _, err = vis_bench(
        "run", "--methods", "stc", "--dataset", squares, "--protocol", protocol, "--start", path,
        "--out", tmp_path / "runs", "--jobs", 1, "--set", "train.iterations=1",
    )  # fmt: skip
    assert code == 0, err


@pytest.fixture
def exported(run, vis_bench, squares, tmp_path) -> Path:
    assert run()[0] == 0
    _, folder = record_of(tmp_path / "runs")
    path = tmp_path / "toy.safetensors"
    code, _, err = vis_bench("weights", "export", folder, "-o", path, "--dataset", squares)
    assert code == 0, err
    return path


def test_an_exported_run_is_tracked_again(run, exported, tmp_path) -> None:
    code, _, _ = run("--weights", exported, "--no-train", out=tmp_path / "again")
    assert code == 0
    (first, _), (second, _) = (record_of(tmp_path / name) for name in ("runs", "again"))
    assert second["metrics"] == first["metrics"]
    assert second["checkpoint_hash"] == first["checkpoint_hash"]
    assert second["start"]["source"].startswith(
        f"toy.safetensors (run {first['run_hash'][:8]} of toy@default"
    )


def test_an_exported_run_is_held_against_what_is_asked_for(run, exported, tmp_path) -> None:
    out = tmp_path / "again"
    code, _, err = run("--weights", exported, "--no-train", "--set", "noise=0.5", out=out)
    assert code == 3
    assert "exported from toy@default with noise = 0.0, asked for 0.5" in err
    # how long it was trained does not matter to what it tracks
    assert run("--weights", exported, "--no-train", "--set", "train.iterations=5", out=out)[0] == 0


def test_an_exported_file_that_was_changed_is_refused(run, exported, tmp_path) -> None:
    from safetensors import safe_open

    with safe_open(exported, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(exported) | {"filter.bias": torch.ones(1)}, exported, metadata=metadata)
    code, _, err = run("--weights", exported, "--no-train", out=tmp_path / "again")
    assert code == 3
    assert "its tensors are not those of the run" in err


def test_other_classes_than_the_exported_run(run, tmp_path) -> None:
    from safetensors.torch import save

    from vis_bench.files import sha256

    origin = Origin(
        "toy", "default", "a run", class_names=("x",), record_hash="12", checkpoint_hash=sha256(save(STATE))
    )
    path = tmp_path / "toy.safetensors"
    save_file(STATE, path, metadata=write_origin(origin))
    code, _, err = run("--weights", path, "--no-train")
    assert code == 3
    assert "trained for 1 classes (x, ...)" in err
