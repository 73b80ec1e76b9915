"""`detectron2:CONFIG.yaml` as a method, as far as its configuration file tells. Imports no torch, no project.

The project's code is imported where the model is built: in the process of its run.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vis_bench.errors import UsageError
from vis_bench.files import dump_json, sha256
from vis_bench.integrations.detectron2.config_file import read_config, value_at
from vis_bench.integrations.detectron2.install import require_detectron2
from vis_bench.integrations.detectron2.place import parse_place, sources
from vis_bench.integrations.detectron2.projects import UNKNOWN_LICENCE, Project, known_project
from vis_bench.method import Foreign, MethodInfo, MethodSpec
from vis_bench.setup.frameworks import Reference

CONFIG_NAME = "as-given"
HOME = Path(__file__).parent


def load(reference: Reference) -> MethodSpec:
    """The specification of `detectron2:CONFIG.yaml?project=...&associate=...`.

    Raises MethodError without detectron2, DataError for a file that cannot be read, UsageError for a model of
    single images without a rule, or a model of videos with one.
    """
    require_detectron2()
    path = Path(reference.place)
    content = read_config(path)
    place = parse_place(reference.options.get("project"))
    architecture = str(value_at(content, "MODEL.META_ARCHITECTURE") or "GeneralizedRCNN")
    rule = reference.options.get("associate")
    project = known_project(architecture) or _unknown(architecture, videos=not rule)
    if place.functions:
        project = _with_functions(project, place.references)
    if project.videos and rule:
        raise UsageError(
            f"{reference.name}: {architecture} tracks by itself. Leave --associate out; it is for models of "
            "single images."
        )
    modules = [text.partition(":")[0] for text in project.functions] + (
        [place.module] if place.module else []
    )
    values: dict[str, Any] = {
        "content": sha256(dump_json(content).encode()),
        "project": _project_name(reference.options.get("project")),
    }
    asked = functools.partial(_built, path=path, project=project, place=place, modules=tuple(modules))
    shared: dict[str, Any] = {
        "choices": (),
        "build": asked,
        "foreign": Foreign(
            code=f"detectron2{_version()} with {project.title}",
            files=(*_adapter(), *sources(place, modules)),
            load=_load,
            own_number=functools.partial(asked, num_classes=None),
        ),
    }
    if project.videos:
        from vis_bench.integrations.native import ForeignConfig

        return MethodSpec(
            info=_info(reference, project, project.title, online=False),
            configs={CONFIG_NAME: ForeignConfig(**values)},
            **shared,
        )
    from vis_bench.integrations.frames import FrameConfig, frame_spec_values, rule_named, rule_title

    name, method, config = rule_named(rule, reference.name)
    return MethodSpec(
        info=_info(reference, project, rule_title(project.title, method), online=True),
        configs={name: FrameConfig(rule_of=method, rule=config, **values)},
        **frame_spec_values(method),
        **shared,
    )


def _built(config: Any, num_classes: int | None, **how: Any) -> Any:
    """Build, with torch."""
    build: Callable[..., Any] = importlib.import_module("vis_bench.integrations.detectron2.model").build
    return build(config, num_classes, **how)


def _load(model: Any, path: Path) -> Any:
    return importlib.import_module("vis_bench.integrations.native").load_native(model, path)


def _unknown(architecture: str, videos: bool) -> Project:
    """A project that the table does not hold."""
    return Project(
        title=architecture,
        paper="not stated",
        licence=UNKNOWN_LICENCE,
        paradigm="not stated" if videos else "tracking by detection",
        architectures=(architecture,),
        functions=(),
        classes="",
        videos=videos,
    )


def _with_functions(project: Project, functions: tuple[str, ...]) -> Project:
    return dataclasses.replace(project, functions=functions)


def _info(reference: Reference, project: Project, title: str, online: bool) -> MethodInfo:
    return MethodInfo(
        name=reference.name,
        title=title,
        paradigm=project.paradigm,
        online=online,
        paper=project.paper,
        licence=project.licence,
    )


def _project_name(text: str | None) -> str:
    """What was named as project, without the folder that it is in: where code lies decides nothing."""
    where, colon, functions = (text or "").partition(":")
    return f"{Path(where).name}{colon}{functions}"


def _adapter() -> tuple[Path, ...]:
    """The sources of ours that decide the tracks."""
    return (*HOME.glob("*.py"), HOME.parent / "native.py", HOME.parent / "frames.py")


def _version() -> str:
    """Of detectron2, as its package says it or its source; empty where neither does."""
    try:
        return f" {version('detectron2')}"
    except PackageNotFoundError:
        found = importlib.util.find_spec("detectron2")
    text = Path(found.origin).read_text(encoding="utf-8") if found is not None and found.origin else ""
    said = re.search(r"""^__version__\s*=\s*["']([^"']+)""", text, re.MULTILINE)
    return f" {said.group(1)}" if said else ""
