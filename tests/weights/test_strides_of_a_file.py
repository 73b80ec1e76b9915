"""A file of weights decides where a ResNet has its strides: converted files carry it into the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from public_names import caffe2_resnet, detectron2_mask_rcnn, detectron2_resnet, filled

from vis_bench.engine.starts import with_stride
from vis_bench.errors import UsageError
from vis_bench.setup.plugins import load_spec
from vis_bench.weights.prepare import prepare

STC = load_spec("stc")
PAPER = STC.configs["paper"]


def test_a_file_sets_the_strides_of_the_configuration() -> None:
    assert not PAPER.backbone.stride_in_1x1
    assert with_stride(PAPER, True, Path("a"), ()).backbone.stride_in_1x1
    assert with_stride(PAPER, None, Path("a"), ()) is PAPER
    assert with_stride(PAPER, False, Path("a"), ()) == PAPER


def test_setting_it_against_the_file_is_an_error() -> None:
    by_hand = [("backbone.stride_in_1x1", "false")]
    with pytest.raises(UsageError, match=r"made with true"):
        with_stride(PAPER, True, Path("a"), by_hand)
    assert with_stride(PAPER, False, Path("a"), by_hand) == PAPER


def convert(vis_bench, tmp_path: Path, state, *options: object) -> Path:
    """The file that `weights convert` writes."""
    public, own = tmp_path / "public.pth", tmp_path / "own.safetensors"
    torch.save({"model": state}, public)
    code, _, err = vis_bench("weights", "convert", public, "-o", own, *options)
    assert code == 0, err
    return own


@pytest.mark.parametrize(("shapes", "expected"), [(caffe2_resnet(), True), (detectron2_resnet(""), False)])
def test_a_converted_file_carries_the_strides(vis_bench, tmp_path, shapes, expected: bool) -> None:
    own = convert(vis_bench, tmp_path, filled(shapes), "--method", "stc")
    prepared = prepare(own, STC, PAPER)
    assert prepared.stride_in_1x1 is expected
    # only a backbone, and that is what the file was converted from
    assert set(prepared.state) == {name for name in prepared.state if name.startswith("backbone.body.")}
    assert any("backbone" in pattern for pattern in prepared.rules.may_miss)


def test_a_converted_file_loads_as_much_as_the_public_one(vis_bench, tmp_path) -> None:
    state = filled(detectron2_mask_rcnn())
    own = convert(vis_bench, tmp_path, state, "--method", "masktrack_rcnn")
    code, out, _ = vis_bench("weights", "show", own, "--method", "masktrack_rcnn")
    assert code == 0
    assert "301 of 311" in out
    assert "in the 1x1 convolutions" in out


def test_an_unknown_kind_and_another_name_of_the_file_are_usage_errors(vis_bench, tmp_path) -> None:
    path = tmp_path / "public.pth"
    torch.save(filled(detectron2_resnet("")), path)
    code, _, err = vis_bench("weights", "show", path, "--method", "stc", "--source", "msra-resent")
    assert code == 2
    assert "'msra-resnet'" in err
    code, _, err = vis_bench("weights", "convert", path, "--method", "stc", "-o", tmp_path / "a.pth")
    assert code == 2
