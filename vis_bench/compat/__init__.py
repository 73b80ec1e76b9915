"""Drop-in classes: the official evaluator's names, and an object for training loops, over the fast scorer."""

from vis_bench.compat.metric import VideoInstanceMetric
from vis_bench.compat.ytvos import YTVOS
from vis_bench.compat.ytvoseval import Params, YTVOSeval

__all__ = ["YTVOS", "Params", "VideoInstanceMetric", "YTVOSeval"]
