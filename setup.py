"""The optional compiled kernels; everything else stands in pyproject.toml."""

import os

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "vis_bench.masks._kernels",
            sources=["vis_bench/masks/kernels.c"],
            depends=["vis_bench/masks/runs.h", "vis_bench/masks/lifted.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            extra_compile_args=[] if os.name == "nt" else ["-O3", "-std=c99"],
            optional=True,  # without a compiler the plain path is taken
        )
    ],
    # one wheel for Python 3.11 and all later ones
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
