"""Run real detectron2 code: features of a ResNet-50 FPN with random weights, for `test_detectron2_parity.py`.

Called as a program: SOURCE (unpacked archive) SITE (its dependencies) OUT (torch file) VARIANT (rgb, msra).
Of detectron2 only backbones and layers are imported, which need no compiled part.
"""

from __future__ import annotations

import sys
from types import ModuleType


def main(source: str, site: str, out: str, variant: str) -> None:
    sys.path[:0] = [source, site]
    import torch

    # detectron2.modeling imports everything; its backbones need none of that, nor the compiled part
    for name in ("detectron2.modeling", "detectron2._C"):
        module = ModuleType(name)
        module.__path__ = [f"{source}/{name.replace('.', '/')}"]  # type: ignore[attr-defined]
        sys.modules[name] = module
    import detectron2

    detectron2._C = sys.modules["detectron2._C"]
    from detectron2.modeling.backbone.fpn import FPN, LastLevelMaxPool
    from detectron2.modeling.backbone.resnet import BasicStem, ResNet

    torch.manual_seed(0)
    stages = ResNet.make_default_stages(50, stride_in_1x1=variant == "msra", norm="FrozenBN")
    body = ResNet(BasicStem(norm="FrozenBN"), stages, out_features=["res2", "res3", "res4", "res5"])
    model = FPN(body, ["res2", "res3", "res4", "res5"], 256, top_block=LastLevelMaxPool()).double().eval()
    for name, buffer in model.named_buffers():
        # statistics that matter, and scales that keep fifty layers in range
        if name.endswith(("running_var", "weight")):
            buffer.uniform_(0.5, 1.0)
        elif name.endswith(("running_mean", "bias")):
            buffer.normal_(0, 0.1)
    frame = torch.randint(0, 256, (3, 96, 128)).double()
    mean = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64).view(3, 1, 1)
    pixels = (frame - mean).flip(0) if variant == "msra" else (frame - mean) / std
    with torch.no_grad():
        features = model(pixels[None])
    state = {f"backbone.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state": state, "frame": frame, "features": dict(features)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
