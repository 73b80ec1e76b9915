"""What NVML says of the GPU: name, clocks, throttling and other processes. The package pynvml is optional."""

from __future__ import annotations

import importlib
import os
from typing import Any


def gpu_facts(device: str) -> dict[str, Any]:
    """Facts now, empty on a CPU; without NVML only `unknown`, which says why."""
    if not device.startswith("cuda"):
        return {}
    import torch

    try:
        nvml: Any = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return {"unknown": "clocks, throttling, other processes (pynvml is not installed)"}
    try:
        nvml.nvmlInit()
        # CUDA_VISIBLE_DEVICES renumbers the devices of CUDA, not those of NVML
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        facts = {
            "name": nvml.nvmlDeviceGetName(handle),
            "sm_clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "throttle_reasons": nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
            "other_processes": sum(process.pid != os.getpid() for process in processes),
        }
        nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        return {"unknown": f"clocks, throttling, other processes ({error})"}
    return facts
