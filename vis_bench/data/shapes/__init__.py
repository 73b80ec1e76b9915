"""The embedded synthetic data set: deterministic videos of moving shapes, written like YouTube-VIS."""

from vis_bench.data.shapes.cache import ensure_shapes
from vis_bench.data.shapes.parameters import CLASS_NAMES, SHAPE_SETS
from vis_bench.data.shapes.static import static_images
from vis_bench.data.shapes.version import FIRST_ANNOTATIONS, FIRST_VERSION, GENERATOR_VERSION

__all__ = [
    "CLASS_NAMES",
    "FIRST_ANNOTATIONS",
    "FIRST_VERSION",
    "GENERATOR_VERSION",
    "SHAPE_SETS",
    "ensure_shapes",
    "static_images",
]
