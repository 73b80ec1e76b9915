"""State that was cut off, full disks, outputs that are no numbers: named, with what to do, never a result."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vis_bench.engine.image_stage_training import stage_classes
from vis_bench.engine.training.state import read_resume
from vis_bench.engine.training.weights import load_weights, save_weights
from vis_bench.errors import DataError, MethodError
from vis_bench.masks import kernels

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra, methods=TOY):
        return vis_bench(
            "run", "--methods", methods, "--dataset", squares, "--protocol", protocol, "--out",
            tmp_path / "runs", "--jobs", 1, *extra,
        )  # fmt: skip

    return call


def changed_toy(tmp_path: Path, old: str, new: str) -> str:
    text = Path(TOY.rpartition(":")[0]).read_text()
    assert old in text
    (tmp_path / "other.py").write_text(text.replace(old, new))
    return f"{tmp_path / 'other.py'}:SPEC"


@pytest.mark.parametrize("kept", [0, 0.3, 0.95])
def test_a_truncated_state_of_a_training_is_named_and_can_be_deleted(run, tmp_path, monkeypatch, kept):
    from vis_bench.engine.training import loop

    save = loop.save_resume

    def killed(directory, *rest):
        save(directory, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_resume", killed)
        assert run()[0] == 130
    (state,) = tmp_path.glob("runs/trained/*/resume.pt")
    whole = state.read_bytes()
    state.write_bytes(whole[: int(kept * len(whole))])
    code, _, err = run()
    assert code == 3
    assert f"{state}: the state of an interrupted training is damaged" in err
    assert "Delete this file and run again" in err
    assert "Traceback" not in err
    state.unlink()
    assert run()[0] == 0


@pytest.mark.parametrize("content", [[1, 2], {"trained": {}}, {"phase": "x"}])
def test_a_state_of_other_content_is_damaged(tmp_path, content):
    torch.save(content, tmp_path / "resume.pt")
    with pytest.raises(DataError, match=r"resume\.pt: .*Delete this file"):
        read_resume(tmp_path)


def test_a_state_that_does_not_fit_the_model_is_named(run, tmp_path):
    code, _, _ = run("--dry-run")
    assert code == 0
    assert run()[0] == 0
    (checkpoint,) = tmp_path.glob("runs/trained/*/checkpoint.safetensors")
    checkpoint.unlink()
    for record in tmp_path.glob("runs/squares-val/**/record.json"):
        record.unlink()
    state = {"trained": {"a": torch.zeros(1)}, "optimizer": {}, "average": None, "scaler": {}}
    torch.save({**state, "phase": 0, "iteration": 2, "seconds": 1.0}, checkpoint.parent / "resume.pt")
    code, _, err = run()
    assert code == 3
    assert "resume.pt: the state of an interrupted training is damaged" in err


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_checkpoint_of_a_run_is_named_and_can_be_deleted(run, tmp_path, kept):
    assert run()[0] == 0
    (checkpoint,) = tmp_path.glob("runs/trained/*/checkpoint.safetensors")
    whole = checkpoint.read_bytes()
    for record in tmp_path.glob("runs/squares-val/**/record.json"):
        record.unlink()
    checkpoint.write_bytes(whole[: int(kept * len(whole))])
    code, _, err = run()
    assert code == 3
    assert f"{checkpoint}: not a whole safetensors file" in err
    assert "Delete it and run again" in err
    checkpoint.unlink()
    assert run()[0] == 0
    assert checkpoint.read_bytes() == whole


def test_a_checkpoint_of_other_tensors_is_named(run, tmp_path):
    assert run()[0] == 0
    (checkpoint,) = tmp_path.glob("runs/trained/*/checkpoint.safetensors")
    for record in tmp_path.glob("runs/squares-val/**/record.json"):
        record.unlink()
    save_file({"other": torch.zeros(2)}, checkpoint)
    code, _, err = run()
    assert code == 3
    assert f"{checkpoint}: holds other tensors than this model" in err


def test_the_files_of_an_image_stage_are_named(tmp_path):
    class Stage:
        directory = tmp_path

    (tmp_path / "classes.json").write_text('["squ')
    with pytest.raises(DataError, match=rf"classes\.json: .*Delete the folder {tmp_path} and run again"):
        stage_classes(Stage)  # type: ignore[arg-type]
    save_file({"a": torch.zeros(100)}, tmp_path / "checkpoint.safetensors")
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"checkpoint\.safetensors: not a whole .*Delete it and run again"):
        load_weights(tmp_path / "checkpoint.safetensors")


@pytest.mark.parametrize("name", ["predictions.partial.jsonl", "frames.partial.jsonl"])
@pytest.mark.parametrize("line", ["[]", '{"video_id": 0}'])
def test_what_a_killed_run_kept_is_named_where_it_is_damaged(run, tmp_path, name, line):
    assert run("--set", "fail_on_frame=2", "--keep-frames")[0] == 4
    (folder,) = (path.parent for path in tmp_path.glob("runs/squares-val/**/record.json"))
    (folder / name).write_text(f"{line}\n")
    code, _, err = run("--set", "fail_on_frame=2", "--keep-frames")
    assert code == 3
    assert f"{folder / name}: what a killed run has kept is damaged. Delete this file" in err


@pytest.mark.skipif(kernels.installed_kernels() is None, reason="no compiled kernels")
@pytest.mark.parametrize("kept", [0, 40, 9000, -1])
def test_a_library_that_is_cut_off_is_named_and_not_mapped(tmp_path, monkeypatch, kept):
    import importlib.util

    found = importlib.util.find_spec(kernels.MODULE)
    library = tmp_path / "_kernels.so"
    library.write_bytes(Path(found.origin).read_bytes()[:kept])
    found.origin = str(library)
    monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda name: found)
    with pytest.raises(DataError, match=r"_kernels\.so: the compiled kernels cannot be loaded") as caught:
        kernels.installed_kernels.__wrapped__()
    assert "VIS_BENCH_FAST=0" in str(caught.value)


WRITERS = {
    "safetensors": "from vis_bench.weights.files import write_weights; write_weights(path, {'a': values})",
    "torch": (
        "from vis_bench.files import atomic_path\n"
        "with atomic_path(path) as place: torch.save([values], place)"
    ),
    "JSON": "from vis_bench.files import write_json; write_json(path, ['x' * 200_000])",
    "appended": "from vis_bench.files import append_text; append_text(path, 'x' * 200_000)",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_takes_no_more_is_named_with_path_and_bytes(tmp_path, writer):
    """A limit on the size of files stands for the full disk: the writers meet it in the same place."""
    code = (
        "import sys, torch; from pathlib import Path; from vis_bench.errors import UsageError\n"
        "path, values = Path(sys.argv[1]), torch.zeros(100_000)\n"
        "try:\n"
        + "".join(f"    {line}\n" for line in WRITERS[writer].splitlines())
        + "except UsageError as error:\n    print(error); raise SystemExit(error.exit_code)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))

    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, text=True, preexec_fn=limit
    )
    assert ended.returncode == 2, ended.stderr
    assert f"{tmp_path / 'file'}: cannot be written (" in ended.stdout
    # safetensors removes what it has written before it says so
    sizes = "; 400,000 bytes are needed" if writer == "safetensors" else " after 65,"
    assert sizes in ended.stdout
    assert " bytes are free on that disk" in ended.stdout
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["file"] if writer == "appended" else [])


def test_weights_that_diverged_in_the_last_step_are_no_checkpoint(tmp_path):
    with pytest.raises(MethodError, match=r"head\.weight holds NaN or infinite values after the training"):
        save_weights(tmp_path / "w.safetensors", {"head.weight": torch.tensor([1.0, float("inf")])})
    assert not list(tmp_path.iterdir())


def test_a_part_that_puts_out_nan_fails_the_run_by_name(run, tmp_path):
    """The method itself would find nothing there, and have a row of zeros."""
    method = changed_toy(
        tmp_path,
        "logits = self.filter(waiting.pop(0)[None].float() / 255)[0]",
        "logits = self.filter(waiting.pop(0)[None].float() * float('inf') * (index > 1))[0]",
    )
    code, out, err = run(methods=method)
    assert code == 4
    assert "video val0: filter puts out NaN" in err
    assert "0.0" not in out


def test_scores_of_a_frame_must_be_finite(run, tmp_path):
    method = changed_toy(tmp_path, "scores[0] = 0.5", "scores[0] = np.inf")
    code, _, err = run(methods=method)
    assert code == 4
    assert "video val0, frame 0: class_scores are not all finite" in err


def test_infinities_inside_a_method_are_its_own_matter():
    from vis_bench.engine.finite_outputs import requiring_numbers

    model = nn.Sequential(nn.Identity(), nn.Identity())
    with requiring_numbers(model, "v"):
        model(torch.tensor([-torch.inf]))
    with pytest.raises(MethodError, match="video v: 0 puts out NaN"), requiring_numbers(model, "v"):
        model({"levels": [torch.ones(2), torch.tensor([torch.nan])]})
    # the hooks are gone
    model(torch.tensor([torch.nan]))


def test_a_failure_is_told_once(run):
    code, out, err = run("--set", "fail_on_frame=2", methods=f"{TOY},{TOY}@far")
    assert code == 4
    assert (out + err).count("the toy broke") == 1
    assert "vis-bench: toy_method@default seed 0, toy_method@default+far seed 0 failed: RuntimeError" in err
