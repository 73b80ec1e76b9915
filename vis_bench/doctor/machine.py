"""The machine: compiled kernels, devices, room on its disks."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vis_bench.cache import CACHE_ROOT_VARIABLE, default_cache_root
from vis_bench.doctor.finding import Finding, ok, trouble
from vis_bench.errors import VisBenchError

LEAST_FREE_BYTES = 2_000_000_000
"""The synthetic set and image stages of a quick run take about half of it."""


def machine_findings() -> Iterator[Finding]:
    """Kernels, processors and GPUs, free space of the cache and of the folder that one stands in."""
    yield _kernels()
    yield ok(
        "processors",
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}",
    )
    yield from _devices()
    yield _space(
        "disk of the cache", default_cache_root(), f"set {CACHE_ROOT_VARIABLE} to a folder elsewhere"
    )
    yield _space("disk of this folder", Path.cwd(), "give --out a folder elsewhere")


def _kernels() -> Finding:
    from vis_bench.masks.kernels import installed_kernels, kernels_in_use

    try:
        built = installed_kernels() is not None
    except VisBenchError as error:
        return trouble("kernels", str(error), _BUILD)
    if built:
        return ok("kernels", kernels_in_use())
    if importlib.util.find_spec("vis_bench.masks._kernels") is None:
        missing = "their file is not there: no compiler when vis-bench was installed, or it was removed"
        return trouble("kernels", f"{missing}; the numbers are the same, scoring is slower", _BUILD)
    return trouble("kernels", kernels_in_use(), _BUILD)


_BUILD = (
    "in a checkout, with a C compiler (gcc or clang): python -m pip install --force-reinstall --no-deps ."
)


def _devices() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        # the extra that it is in says what to install
        return
    try:
        import torch
    except (ImportError, OSError) as error:
        yield trouble(
            "torch",
            f"is installed and cannot be loaded ({error})",
            "python -m pip install --force-reinstall torch torchvision",
        )
        return
    made_for = f"made for CUDA {torch.version.cuda}" if torch.version.cuda else "made for CPUs"
    yield ok("torch", f"{torch.__version__}, {made_for}")
    yield from _torchvision()
    if not torch.cuda.is_available():
        yield Finding("gpu", "absent", "none that torch can use; methods run on the CPU")
        return
    for number in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(number)
        yield ok(f"gpu {number}", f"{known.name}, {known.total_memory / 1e9:.0f} GB")


def _torchvision() -> Iterator[Finding]:
    """Trouble where it cannot be loaded beside this torch: built for another version, or for CUDA or not."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        yield trouble(
            "torchvision",
            f"is installed and cannot be loaded beside this torch ({error})",
            "install both from one index: python -m pip install --force-reinstall torch torchvision",
        )


def _space(name: str, folder: Path, elsewhere: str) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return trouble(name, f"{folder}: {error.strerror}", elsewhere[0].upper() + elsewhere[1:])
    text = f"{folder}: {free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return trouble(name, text, f"free at least {LEAST_FREE_BYTES / 1e9:.0f} GB, or {elsewhere}")
    return ok(name, text)
