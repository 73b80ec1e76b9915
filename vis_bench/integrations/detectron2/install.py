"""Whether detectron2 is there, and what makes it importable where its compiled parts are not built."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from vis_bench.errors import MethodError

INSTALL = (
    "pip install --no-build-isolation 'setuptools<81' wheel 'vis-bench[methods,detectron2]' && "
    "pip install --no-build-isolation 'git+https://github.com/facebookresearch/detectron2'"
)
_NEEDED = ("torch", "torchvision", "yaml", "fvcore", "iopath", "yacs", "omegaconf", "detectron2")
# Mask R-CNN needs no operation of them, and Mask2Former falls back to plain torch
_COMPILED = ("detectron2._C", "MultiScaleDeformableAttention")


def require_detectron2() -> None:
    """Raise MethodError with the command that installs what is missing; imports nothing heavy."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MethodError(
            f"Methods `detectron2:...` need {missing[-1]}, and detectron2 is on no package index. Install it "
            f"with: {INSTALL}"
        )


def make_importable() -> None:
    """Let detectron2 be imported where its compiled operations are not built, and with a current Pillow.

    An empty module takes the place of each compiled one that cannot be found; what really calls one of its
    operations then says that it has none. Raises MethodError without detectron2.
    """
    require_detectron2()
    from PIL import Image

    if not hasattr(Image, "LINEAR"):
        Image.LINEAR = Image.BILINEAR  # type: ignore[attr-defined]
    for name in _COMPILED:
        if name in sys.modules or importlib.util.find_spec(name) is not None:
            continue
        sys.modules[name] = ModuleType(name)
        package, _, attribute = name.rpartition(".")
        if package:
            setattr(importlib.import_module(package), attribute, sys.modules[name])
