"""Whether detectron2 is there, and what makes it importable where its compiled parts are not built."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType

from vis_bench.errors import MethodError

INSTALL = (
    "pip install --no-build-isolation 'setuptools<81' wheel 'vis-bench[methods,detectron2]' && "
    "pip install --no-build-isolation 'git+https://github.com/facebookresearch/detectron2'"
)
_NEEDED = ("torch", "torchvision", "yaml", "fvcore", "iopath", "yacs", "omegaconf", "detectron2")


def require_detectron2() -> None:
    """Raise MethodError with the command that installs what is missing; imports nothing heavy."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MethodError(
            f"Methods `detectron2:...` need {missing[-1]}, and detectron2 is on no package index. Install it "
            f"with: {INSTALL}"
        )


def make_importable() -> None:
    """Let detectron2 and its projects be imported though parts are not built, and with a current Pillow.

    `detectron2._C` is an empty module where it cannot be found: what really calls one of its operations then
    says that it has none. Deformable attention is done in plain torch, and the evaluator that projects import
    from a fork of pycocotools is our own. Raises MethodError without detectron2.
    """
    require_detectron2()
    from PIL import Image

    if not hasattr(Image, "LINEAR"):
        Image.LINEAR = Image.BILINEAR  # type: ignore[attr-defined]
    for name, make in _STAND_INS.items():
        if name in sys.modules or importlib.util.find_spec(name) is not None:
            continue
        sys.modules[name] = make()
        package, _, attribute = name.rpartition(".")
        if package:
            setattr(importlib.import_module(package), attribute, sys.modules[name])


def _deformable() -> ModuleType:
    from vis_bench.integrations.detectron2.deformable import stand_in

    return stand_in()


def _truth() -> ModuleType:
    from vis_bench.compat import ytvos

    return ytvos


def _evaluator() -> ModuleType:
    from vis_bench.compat import ytvoseval

    return ytvoseval


_STAND_INS: Mapping[str, Callable[[], ModuleType]] = MappingProxyType(
    {
        # Mask R-CNN needs no operation of it
        "detectron2._C": lambda: ModuleType("detectron2._C"),
        "MultiScaleDeformableAttention": _deformable,
        "pycocotools.ytvos": _truth,
        "pycocotools.ytvoseval": _evaluator,
    }
)
