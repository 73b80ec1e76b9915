"""Operations without a deterministic kernel: seen while they are used, and named in log and record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_official_layouts import write_official
from torch import Tensor
from torchvision.ops import roi_align

from vis_bench.engine.training import kernels
from vis_bench.engine.training.kernels import KernelWatch, needs_watching
from vis_bench.method import Clip

ROI, GRID, UPSAMPLING = (
    f"backward of {what}" for what in ("RoIAlign", "grid sampling", "bilinear upsampling")
)


def clip(objects: int) -> Clip:
    return Clip(
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(objects, dtype=torch.int64),
        torch.zeros(1, objects, 8, 8, dtype=torch.bool),
        torch.zeros(1, objects, 4),
        torch.zeros(1, objects, dtype=torch.bool),
    )


def pooled(x: Tensor) -> Tensor:
    return roi_align(x, [torch.tensor([[0.0, 0.0, 4.0, 4.0]])], 2)


def sampled(x: Tensor) -> Tensor:
    return F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False)


def upsampled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def classified(x: Tensor) -> Tensor:
    return F.cross_entropy(x, torch.zeros(1, 8, 8, dtype=torch.int64))


def convolved(x: Tensor) -> Tensor:
    return F.conv2d(x, torch.ones(1, 3, 3, 3)).relu()


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the CPU were a GPU."""
    monkeypatch.setattr(kernels, "needs_watching", lambda device: True)


def test_gpus_are_watched_and_cpus_not() -> None:
    assert [needs_watching(device) for device in ("cuda", "cuda:1", "cpu")] == [True, True, False]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (pooled, (ROI,)),
        (sampled, (GRID,)),
        (upsampled, (UPSAMPLING,)),
        (classified, ("cross-entropy of maps",)),
        (convolved, ()),
        (lambda x: pooled(upsampled(x)), (ROI, UPSAMPLING)),
    ],
)
def test_what_forward_and_backward_use_is_named(
    pretended: None, function: Callable[[Tensor], Tensor], expected: tuple[str, ...]
) -> None:
    watch = KernelWatch("cpu")
    x = torch.ones(1, 3, 8, 8, requires_grad=True)
    with watch.step(0, [clip(1)]):
        function(x).sum().backward()
    assert watch.names == tuple(sorted(expected))


def test_a_forward_pass_alone_is_deterministic(pretended: None) -> None:
    watch = KernelWatch("cpu")
    with watch.step(0, [clip(1)]), torch.no_grad():
        pooled(sampled(upsampled(torch.ones(1, 3, 8, 8))))
    assert watch.names == ()


def test_a_phase_is_watched_until_a_step_had_an_object(pretended: None) -> None:
    watch = KernelWatch("cpu")
    x = torch.ones(1, 3, 8, 8, requires_grad=True)
    with watch.step(0, [clip(0)]):
        convolved(x).sum().backward()
    with watch.step(0, [clip(0), clip(2)]):
        sampled(x).sum().backward()
    assert watch.names == (GRID,)
    with watch.step(0, [clip(1)]):
        pooled(x).sum().backward()
    assert watch.names == (GRID,)
    with watch.step(1, [clip(1)]):
        pooled(x).sum().backward()
    assert watch.names == (ROI, GRID)


def test_a_cpu_is_not_watched() -> None:
    watch = KernelWatch("cpu")
    with watch.step(0, [clip(1)]):
        sampled(torch.ones(1, 3, 8, 8, requires_grad=True)).sum().backward()
    assert watch.names == ()


def record_of(vis_bench: Callable[..., tuple[int, str, str]], folder: Path, method: str) -> dict[str, object]:
    write_official(folder / "data", "ytvis21")
    protocol = folder / "plain.toml"
    protocol.write_text('name = "plain"\nabout = "test"\nconfig = "tiny"\n')
    code, out, err = vis_bench(
        "run", "--methods", method, "--dataset", "ytvis21", "--data-root", folder / "data",
        "--protocol", protocol, "--set", "train.iterations=1", "--set", "train.batch_size=1",
        "--set", "test_short_side=64", "--jobs", 1, "--out", folder / "runs", "--json", "-",
    )  # fmt: skip
    assert code == 0, err
    (record,) = json.loads(out)
    (log,) = folder.glob("runs/trained/*/train.jsonl")
    (line,) = [json.loads(text) for text in log.read_text().splitlines()]
    assert line["without_deterministic_kernel"] == record["without_deterministic_kernel"]
    found: dict[str, object] = record
    return found


def in_this_process(runs, data, jobs, bars, slots, place):  # type: ignore[no-untyped-def]
    from vis_bench.engine.sweep import execute

    return [execute(run, data, bars.callback(run.label)) for run in runs]


@pytest.mark.parametrize(
    ("method", "expected"),
    [("stc", [UPSAMPLING]), ("masktrack_rcnn", [ROI]), ("mask2former_vis", [UPSAMPLING, GRID])],
)
def test_the_record_names_what_the_training_used(
    vis_bench: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    pretended: None,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    expected: list[str],
) -> None:
    monkeypatch.setattr("vis_bench.engine.sweep._placed", in_this_process)
    assert record_of(vis_bench, tmp_path, method)["without_deterministic_kernel"] == expected


def test_the_record_of_a_cpu_names_nothing(
    vis_bench: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vis_bench.engine.sweep._placed", in_this_process)
    assert record_of(vis_bench, tmp_path, "stc")["without_deterministic_kernel"] == []
