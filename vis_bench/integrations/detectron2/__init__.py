"""detectron2 and projects built on it: their models as methods, our data sets and metrics in their scripts.

>>> from vis_bench.integrations.detectron2 import VisEvaluator, register  # doctest: +SKIP
>>> (name,) = register("ovis", splits=["devval"])  # doctest: +SKIP
>>> inference_on_dataset(model, loader, VisEvaluator(name))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vis_bench.integrations.detectron2.catalog import register
    from vis_bench.integrations.detectron2.evaluator import VisEvaluator

__all__ = ["VisEvaluator", "register"]


def __getattr__(name: str) -> Any:
    """The public names are loaded when they are used, since they need detectron2."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vis_bench.integrations.detectron2.install import make_importable

    make_importable()
    if name == "register":
        from vis_bench.integrations.detectron2.catalog import register

        return register
    from vis_bench.integrations.detectron2.evaluator import VisEvaluator

    return VisEvaluator
