"""Versions of what vis-bench stands on, held against what it asks for."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vis_bench.doctor.finding import Finding, ok, trouble

DISTRIBUTION = "vis-bench"
_WHAT_FOR = {
    "methods": "training and tracking",
    "fast": "scoring that reads JSON twice as fast",
    "tensorboard": "logs in TensorBoard",
    "video": "reading and writing video files",
    "gpu": "clocks and power of a GPU in records of speed",
    "hf": "models of transformers",
    "detectron2": "projects on detectron2",
}


def package_findings() -> Iterator[Finding]:
    """Python, the packages that every command needs, and the extras with how to install each.

    The packages of extras for developers are left out. Raises nothing: a package that is not there is a
    finding.
    """
    yield ok("python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    try:
        wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        yield trouble(
            "vis-bench",
            "runs from a folder and is not installed, so that its methods are not found",
            "in the folder of its pyproject.toml: python -m pip install -e .",
        )
        return
    yield ok("vis-bench", metadata.version(DISTRIBUTION))
    for one in wanted:
        if one.marker is None:
            yield _base(one)
    for extra, what_for in _WHAT_FOR.items():
        parts = [one for one in wanted if one.marker is not None and one.marker.evaluate({"extra": extra})]
        yield _extra(extra, what_for, parts)


def _base(wanted: Requirement) -> Finding:
    version = _version(wanted)
    if version is None or version not in wanted.specifier:
        found = "is not installed" if version is None else f"{version}, and {wanted.specifier} is needed"
        return trouble(wanted.name, found, f"python -m pip install '{_plain(wanted)}'")
    return ok(wanted.name, version)


def _extra(extra: str, what_for: str, parts: list[Requirement]) -> Finding:
    versions = [(one, _version(one)) for one in parts]
    repair = f"python -m pip install '{DISTRIBUTION}[{extra}]'"
    old = [
        f"{one.name} {v} ({one.specifier} is needed)" for one, v in versions if v and v not in one.specifier
    ]
    missing = [one.name for one, version in versions if version is None]
    if old:
        return trouble(f"extra {extra}", ", ".join(old), repair)
    if missing:
        found = f"{', '.join(missing)} not installed; for {what_for}"
        return Finding(f"extra {extra}", "absent", found, repair)
    return ok(f"extra {extra}", ", ".join(f"{one.name} {version}" for one, version in versions))


def _version(wanted: Requirement) -> str | None:
    try:
        return metadata.version(canonicalize_name(wanted.name))
    except metadata.PackageNotFoundError:
        return None


def _plain(wanted: Requirement) -> str:
    return f"{wanted.name}{wanted.specifier}"
