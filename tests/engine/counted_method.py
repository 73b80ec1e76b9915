"""The toy method, which leaves a byte in $TOY_COUNT for every training step, and takes its time if asked
to."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import toy_method

from vis_bench.method import MethodSpec


class Counted(toy_method.Toy):
    def losses(self, clips):
        with open(os.environ["TOY_COUNT"], "ab") as file:
            file.write(b".")
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        return super().losses(clips)


SPEC = MethodSpec(
    info=replace(toy_method.INFO, name="counted"),
    configs={"default": toy_method.ToyConfig()},
    choices=(),
    build=Counted,
)
