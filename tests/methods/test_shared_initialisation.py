"""The auxiliary semantic head and the pretraining recipe: targets by hand, cache, determinism, learning."""

import math
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from safetensors.torch import load_file

from methods.layers import auxiliary, pretraining
from methods.layers.backbone import build_backbone
from methods.layers.backbone_config import BackboneConfig
from vis_bench.errors import MethodError
from vis_bench.method import Clip

SMALL = BackboneConfig(name="small", frozen_stages=0, frozen_norm=False, widths=(16, 16, 16, 16))
OPTIONS = {"seed": 1, "images": 8, "iterations": 3, "batch_size": 4, "lr": 1e-3, "threads": 1}


def quiet(done, total):
    pass


def test_semantic_target_reads_every_fourth_pixel():
    masks = torch.zeros(2, 8, 9, dtype=torch.bool)
    masks[0, 0:4, 0:4] = True  # holds pixel (2, 2) only
    masks[1, 4:8, 8] = True  # the last column: offset 10 is clamped to 8
    target = auxiliary.semantic_target(masks, torch.tensor([3, 0]), (8, 9))
    assert target.tolist() == [[4, 0, 0], [0, 0, 1]]


def clip(frames=2, size=(32, 64)):
    masks = torch.zeros(frames, 1, *size, dtype=torch.bool)
    masks[:, 0, :16, :16] = True
    return Clip(
        frames=torch.zeros(frames, 3, *size, dtype=torch.uint8),
        labels=torch.tensor([1]),
        masks=masks,
        boxes=torch.tensor([0.0, 0, 16, 16]).expand(frames, 1, 4),
        visible=torch.ones(frames, 1, dtype=torch.bool),
    )


def test_auxiliary_loss_is_the_mean_cross_entropy_without_padding():
    """Uniform logits cost log(1 + classes) wherever they are counted; padding holds a huge one and is not."""
    head = auxiliary.SemanticHead({"res2": 16, "res3": 16, "res4": 16, "res5": 16}, num_classes=3)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    features = {name: torch.zeros(2, 16, 12, 20) for name in ("res2", "res3", "res4", "res5")}
    assert head.loss(features, [clip()]).item() == pytest.approx(math.log(4), rel=HUNDRED_ROUNDINGS)
    head.forward = lambda f: torch.cat(
        [torch.zeros(2, 4, 8, 20), torch.full((2, 4, 4, 20), 50.0).cumsum(1)], dim=2
    )
    assert head.loss(features, [clip()]).item() == pytest.approx(math.log(4), rel=HUNDRED_ROUNDINGS)


def test_auxiliary_loss_refuses_another_number_of_frames():
    head = auxiliary.SemanticHead({"res2": 16, "res3": 16, "res4": 16, "res5": 16}, num_classes=3)
    features = {name: torch.zeros(3, 16, 8, 16) for name in ("res2", "res3", "res4", "res5")}
    with pytest.raises(ValueError, match="all 2 frames"):
        head.loss(features, [clip()])


def test_pretraining_is_cached_and_repeatable(tmp_path):
    first = pretraining.pretrain_on_shapes(SMALL, OPTIONS, tmp_path / "a", "cpu", quiet)
    (path,) = (tmp_path / "a" / "initialisation").iterdir()
    stamp = path.stat().st_mtime_ns
    again = pretraining.pretrain_on_shapes(SMALL, OPTIONS, tmp_path / "a", "cpu", quiet)
    assert path.stat().st_mtime_ns == stamp
    other = pretraining.pretrain_on_shapes(SMALL, OPTIONS, tmp_path / "b", "cpu", quiet)
    for name, value in first.items():
        assert torch.equal(value, again[name])
        assert torch.equal(value, other[name])
    pretraining.pretrain_on_shapes(SMALL, OPTIONS | {"seed": 2}, tmp_path / "a", "cpu", quiet)
    assert len(list((tmp_path / "a" / "initialisation").iterdir())) == 2
    assert set(load_file(path)) == set(build_backbone(SMALL).state_dict())


def test_a_backbone_that_keeps_fewer_activations_starts_from_the_same_weights(tmp_path, monkeypatch):
    calls = []

    def pretrain(config, *_):
        calls.append(config)
        return {"x": torch.zeros(1)}

    monkeypatch.setattr(pretraining, "_pretrain", pretrain)
    for checkpoint in (True, False):
        config = replace(SMALL, checkpoint=checkpoint)
        pretraining.pretrain_on_shapes(config, OPTIONS, tmp_path, "cpu", quiet)
    assert calls == [SMALL]


def test_pretraining_teaches_the_classes(tmp_path, monkeypatch):
    """The semantic loss of the last iterations is well below that of the first."""
    losses = []
    real = torch.nn.functional.cross_entropy

    def record(*arguments, **keywords):
        value = real(*arguments, **keywords)
        losses.append(value.item())
        return value

    monkeypatch.setattr(pretraining.F, "cross_entropy", record)
    options = OPTIONS | {"iterations": 30, "images": 32, "lr": 3e-3}
    pretraining.pretrain_on_shapes(SMALL, options, tmp_path, "cpu", quiet)
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


def test_imagenet_weights_exist_for_resnets_only(tmp_path):
    with pytest.raises(MethodError, match="no ImageNet weights"):
        pretraining.imagenet_weights(SMALL, {}, tmp_path, "cpu", quiet)
