"""Where a run happened: hardware, package versions and the state of the source tree."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vis_bench
from vis_bench.errors import MethodError, UsageError

PACKAGES = (
    "vis-bench", "torch", "torchvision", "numpy", "scipy", "pandas", "pycocotools", "motmetrics", "Pillow",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of the packages that can change a number, and of Python."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def device_name(device: str) -> str:
    """The name of the GPU, or of the CPU."""
    if not device.startswith("cuda"):
        return _cpu_name()
    import torch

    return torch.cuda.get_device_properties(device).name


def hardware(device: str, threads: int) -> dict[str, Any]:
    """Device kind, CPU, cores, threads per job and, on CUDA, the GPU's name and memory in bytes."""
    facts: dict[str, Any] = {
        "device": device,
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads_per_job": threads,
        "system": platform.system(),
        "machine": platform.machine(),
    }
    if device.startswith("cuda"):
        import torch

        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "gpu": properties.name,
            "gpu_memory_bytes": properties.total_memory,
            "cuda": torch.version.cuda,
        }
    return facts


def git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout that vis-bench runs from; empty when it is not one."""
    home = Path(vis_bench.__file__).resolve().parent.parent
    if not (home / ".git").exists():
        return {}
    try:
        commit = _git(home, "rev-parse", "HEAD")
        dirty = bool(_git(home, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def _git(home: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def require_torch(device: str) -> None:
    """Raise MethodError where torch or torchvision cannot be loaded, UsageError for a device not at hand."""
    # waiting threads that spin make two threads ten times slower than one as soon as another job runs;
    # OpenMP reads this once, when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        import torchvision  # noqa: F401
    except ModuleNotFoundError as error:
        raise MethodError(
            f"running methods needs {error.name}. Install it with: pip install 'vis-bench[methods]'"
        ) from None
    except (ImportError, OSError, RuntimeError) as error:
        # torchvision of another version than torch, or for CUDA beside a torch for CPUs
        raise MethodError(
            f"torch and torchvision cannot be loaded together ({error}). Install both from one index: "
            "pip install --force-reinstall torch torchvision"
        ) from None
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise UsageError(f"--device {device!r}: must be cpu, cuda or cuda:N.") from None
    if kind.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {device!r}: must be cpu, cuda or cuda:N.")
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices.")
