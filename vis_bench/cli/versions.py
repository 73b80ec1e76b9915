"""What `--version` says of torch, without importing it: that takes seconds."""

from __future__ import annotations

import ast
from importlib import metadata, util
from pathlib import Path


def torch_version() -> str:
    """`2.14.1, built for CUDA 13.0`; `built for CPUs` where it is for neither CUDA nor ROCm."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "not installed: scoring only"
    found = util.find_spec("torch")
    written = Path(found.origin).with_name("version.py") if found is not None and found.origin else None
    if written is None or not written.is_file():
        return version
    builds = build_names(written.read_text(encoding="utf-8"))
    return f"{version}, built for {' and '.join(builds) or 'CPUs'}"


def build_names(text: str) -> list[str]:
    """`["CUDA 13.0"]`, from the text of torch/version.py."""
    words = {"cuda": "CUDA", "hip": "ROCm"}
    found = {}
    for node in ast.parse(text).body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in words and isinstance(node.value, ast.Constant):
            found[target.id] = node.value.value
    return [f"{words[name]} {version}" for name, version in found.items() if version is not None]
