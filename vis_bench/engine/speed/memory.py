"""Peak memory: of the CUDA device, or of this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak(device: str) -> bool:
    """Start anew, the host's peak and on CUDA the device's; False where the operating system knows only the
    host's peak since the process began."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def memory_facts(device: str) -> dict[str, Any]:
    """Bytes: `peak_bytes` (CUDA: allocated on the device) and `kind`; on CUDA also `reserved_bytes` on the
    device, and `host_peak_bytes`, resident memory of the process with its page-locked frames."""
    if device.startswith("cuda"):
        import torch

        return {
            "kind": "CUDA allocated",
            "peak_bytes": torch.cuda.max_memory_allocated(device),
            "reserved_bytes": torch.cuda.max_memory_reserved(device),
            "host_peak_bytes": host_peak_bytes(),
        }
    return {"kind": "process RSS", "peak_bytes": host_peak_bytes()}


def host_peak_bytes() -> int | None:
    """Largest resident memory of this process since the reset; None where it is not known."""
    return _status("VmHWM") or _high_water()


def resident_bytes() -> int | None:
    """Resident memory of this process now; None where it is not known."""
    return _status("VmRSS")


def _status(field: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(field + ":")]
    return int(found[0]) * 1024 if found else None


def _high_water() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    # kilobytes, but bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
