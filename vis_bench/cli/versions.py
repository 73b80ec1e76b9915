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
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        value = node.value.value
        for target in targets:
            if isinstance(target, ast.Name) and target.id in words and isinstance(value, str):
                found[target.id] = value
    return [f"{words[name]} {version}" for name, version in found.items()]
