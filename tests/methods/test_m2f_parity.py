"""The same function as the public code: sizes, stored intermediates of a third-party run, whole pipeline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from closeness import STORED_IN_FLOAT32, assert_close_to_largest
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d

from methods.layers.backbone import ResNet
from methods.layers.backbone_config import BackboneConfig
from methods.layers.images import normalise_and_pad
from methods.layers.pixel_decoder import PixelDecoder
from methods.layers.pixel_decoder_config import PixelDecoderConfig
from methods.layers.position import sine_3d
from methods.layers.query_masks import mask_logits
from methods.layers.video_features import FrameSizes, resized_to_levels
from methods.mask2former_vis.checkpoint import from_reference
from methods.mask2former_vis.config import PAPER, DecoderConfig, Mask2FormerVisConfig
from methods.mask2former_vis.decoder import VideoDecoder
from methods.mask2former_vis.model import Mask2FormerVis, instances
from vis_bench.masks.rle import decode

SLICE = Path(__file__).parents[1] / "fixtures" / "parity" / "m2f_decoder.pt"
LEVELS = ("res5", "res4", "res3")
# here ours are in float32 too, whose deformable sampling is another than that of float64: 70 layers of up to
# 2,304 terms, whose roundings have random signs, are some hundred eps
IN_FLOAT32 = 1000


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in from_reference(state).items()
        if name.startswith(prefix)
    }


def _parts(levels: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    return {name: [x] for name, x in levels.items()}


@pytest.fixture(scope="module")
def full() -> dict:
    root = os.environ.get("VIS_BENCH_FIXTURES")
    if not root:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    return torch.load(Path(root) / "parity" / "m2f_tiny.pt", weights_only=True)


def _check_decoder(decoder: VideoDecoder, stored: dict, outputs: list[dict]) -> None:
    maps = {name: x[None] for name, x in zip(LEVELS, stored["multi_scale"], strict=True)}
    maps = {name: x.double() for name, x in maps.items()}
    features = stored["mask_features"][None].double()
    with torch.no_grad():
        own = decoder.double().eval()(_parts(maps), _parts(resized_to_levels(features, maps)))
    for prediction, wanted in zip(own, outputs, strict=True):
        logits = prediction.class_logits.float()
        assert_close_to_largest(logits, wanted["pred_logits"], terms=STORED_IN_FLOAT32)
        masks = mask_logits(prediction.mask_embeddings, features).float()
        assert_close_to_largest(masks, wanted["pred_masks"], terms=STORED_IN_FLOAT32)


def test_parameter_counts_of_the_paper_configuration() -> None:
    model = Mask2FormerVis(PAPER, 40)

    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    frozen = sum(
        m.weight.numel() + m.bias.numel() for m in model.modules() if isinstance(m, FrozenBatchNorm2d)
    )
    assert count(model.decoder) == 14_469_161
    assert count(model.pixel_decoder) == 6_035_904
    assert count(model) == 43_959_977
    assert count(model) + frozen == 44_013_097
    assert all(parameter.requires_grad for parameter in model.parameters())  # nothing but the norms is frozen


def test_decoder_equals_the_stored_slice() -> None:
    stored = torch.load(SLICE, weights_only=True)
    decoder = VideoDecoder(DecoderConfig(queries=12, layers=3, hidden=96), 64, 32, 7)
    decoder.load_state_dict(_part(stored["state_dict"], "decoder."))
    _check_decoder(decoder, stored, stored["outputs"])


def test_position_encoding_equals_the_stored_one() -> None:
    stored = torch.load(SLICE, weights_only=True)
    # angles of up to 2 pi round by 6 eps
    assert_close_to_largest(sine_3d(3, 4, 6, 64), stored["pos_level4x6"][0], terms=10)


def test_decoder_equals_all_stored_layers(full) -> None:
    decoder = VideoDecoder(DecoderConfig(queries=12, layers=4, hidden=96), 64, 32, 7)
    decoder.load_state_dict(_part(full["state_dict"], "decoder."))
    _check_decoder(decoder, full, [*full["aux_outputs"], full])


def test_pixel_decoder_equals_the_stored_features(full) -> None:
    channels = {"res2": 32, "res3": 64, "res4": 128, "res5": 256}
    decoder = PixelDecoder(channels, dims=64, mask_dims=32, layers=2).eval()
    decoder.load_state_dict(_part(full["state_dict"], "pixel_decoder."))
    with torch.no_grad():
        maps, mask_features = decoder(full["backbone"])
    assert_close_to_largest(mask_features, full["mask_features"], terms=IN_FLOAT32)
    for name, wanted in zip(LEVELS, full["multi_scale"], strict=True):
        assert_close_to_largest(maps[name], wanted, terms=IN_FLOAT32)


def _narrow_resnet() -> ResNet:
    """The stored run's ResNet-50 with 1/8 of the width and a stem of 16 channels."""
    backbone = ResNet(BackboneConfig(frozen_stages=0))
    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    del body.fc, body.avgpool
    body.conv1, body.bn1, body.inplanes = nn.Conv2d(3, 16, 7, 2, 3, bias=False), FrozenBatchNorm2d(16), 16
    for i, (planes, blocks) in enumerate(((8, 3), (16, 4), (32, 6), (64, 3)), start=1):
        setattr(body, f"layer{i}", body._make_layer(Bottleneck, planes, blocks, stride=1 if i == 1 else 2))
    backbone.body = body
    backbone.channels = {"res2": 32, "res3": 64, "res4": 128, "res5": 256}
    return backbone


def test_whole_pipeline_equals_the_stored_run(full, monkeypatch) -> None:
    monkeypatch.setattr("methods.mask2former_vis.model.build_backbone", lambda _: _narrow_resnet())
    config = Mask2FormerVisConfig(
        train=PAPER.train,
        pixel_decoder=PixelDecoderConfig(dims=64, mask_dims=32, layers=2),
        decoder=DecoderConfig(queries=12, layers=4, hidden=96),
    )
    model = Mask2FormerVis(config, 7).eval()
    model.load_state_dict(from_reference(full["state_dict"]))
    images = normalise_and_pad(list(full["frames_uint8"]))
    assert_close_to_largest(images, full["images_normalized_padded"], terms=10)
    with torch.no_grad():
        maps, features = model.frame_features(images)
        maps = {name: x[None] for name, x in maps.items()}
        output = model.decoder(_parts(maps), _parts(resized_to_levels(features[None], maps)))[-1]
    assert_close_to_largest(output.class_logits, full["pred_logits"], terms=IN_FLOAT32)
    masks = mask_logits(output.mask_embeddings, features[None])
    assert_close_to_largest(masks, full["pred_masks"], terms=IN_FLOAT32)

    call = (full["call"]["height"], full["call"]["width"])
    tracks = instances(output, features, 10, FrameSizes((64, 96), (58, 90), call))
    final = full["final"]
    order = sorted(range(10), key=lambda i: -final["pred_scores"][i])
    assert [track.label for track in tracks] == [final["pred_labels"][i] for i in order]
    # a softmax passes on a quarter of what logits of up to 2 are off
    assert [track.score for track in tracks] == pytest.approx(
        [final["pred_scores"][i] for i in order], abs=1e-4
    )
    different = total = 0
    for track, i in zip(tracks, order, strict=True):
        for segmentation, wanted in zip(track.segmentations, final["pred_masks"][i].numpy(), strict=True):
            own = decode(segmentation) if segmentation else wanted & False
            different += int((own != wanted).sum())
            total += own.size
    assert different / total < 1e-4  # only pixels whose logit is within rounding of zero may differ
