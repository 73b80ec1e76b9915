"""`hf:PATH_OR_REPO` as a method, as far as its folder tells. Imports neither torch nor transformers."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vis_bench.errors import MethodError, UsageError
from vis_bench.files import sha256
from vis_bench.integrations.transformers.folder import INSTALL, Model, open_model, require_transformers
from vis_bench.integrations.transformers.kinds import KINDS, Kind, PromptedConfig, VideoConfig
from vis_bench.method import Foreign, MethodInfo, MethodSpec
from vis_bench.setup.frameworks import Reference, parse_reference

CONFIG_NAME = "as-given"
TRUTH = "truth"
HOME = Path(__file__).parent


def load(reference: Reference) -> MethodSpec:
    """The specification of `hf:PLACE?associate=...&prompt=...`.

    Raises MethodError without transformers or where its version lacks the kind of model, DataError for a
    folder without a model, UsageError where the rule or the prompt that the kind needs is missing.
    """
    require_transformers()
    model = open_model(reference.place)
    kind = kind_of(model)
    rule, prompt = reference.options.get("associate"), reference.options.get("prompt")
    if rule and kind.how != "frames":
        raise UsageError(f"{reference.name}: {kind.title} tracks by itself. Leave --associate out.")
    if prompt and kind.how != "prompted":
        raise UsageError(f"{reference.name}: {kind.title} takes no prompts. Leave --prompt out.")
    if kind.how == "frames":
        return _of_frames(reference, model, kind, rule)
    if kind.how == "prompted":
        return _prompted(reference, model, kind, prompt)
    return MethodSpec(
        info=_info(reference, kind, model, kind.title, online=False),
        configs={CONFIG_NAME: VideoConfig(content=model.content)},
        track_cap=("tracks_per_video", "video"),
        **_shared(model, kind),
    )


def kind_of(model: Model) -> Kind:
    """The kind of a model. Raises MethodError for one that is unknown here or to the installed library."""
    kind = KINDS.get(model.model_type)
    if kind is None:
        raise MethodError(
            f"{model.folder}: a model of type {model.model_type!r}; {', '.join(KINDS)} are known here. Its "
            "predictions can be written as a file and read with `vis-bench import`."
        )
    named = model.config.get("architectures") or []
    if named and kind.model not in named:
        raise MethodError(
            f"{model.folder}: is a {named[0]}; {kind.model} is what has masks ({model.model_type})."
        )
    found = importlib.util.find_spec("transformers")
    home = Path(found.origin).parent if found is not None and found.origin else None
    if home is not None and not (home / "models" / model.model_type).is_dir():
        raise MethodError(
            f"{model.folder}: transformers {version('transformers')} has no {kind.model}. Install a newer "
            f"one with: {INSTALL} --upgrade"
        )
    return kind


def _of_frames(reference: Reference, model: Model, kind: Kind, rule: str | None) -> MethodSpec:
    from vis_bench.integrations.frames import FrameConfig, frame_spec_values, rule_named, rule_title

    name, method, config = rule_named(rule, reference.name)
    return MethodSpec(
        info=_info(reference, kind, model, rule_title(kind.title, method), online=True),
        configs={name: FrameConfig(content=model.content, rule_of=method, rule=config)},
        **frame_spec_values(method),
        **_shared(model, kind),
    )


def _prompted(reference: Reference, model: Model, kind: Kind, prompt: str | None) -> MethodSpec:
    if not prompt:
        raise UsageError(
            f"{reference.name}: {kind.title} has to be shown its objects: --prompt truth (first masks of the "
            "truth, in a table of its own) or --prompt hf:PATH (a detector, in the first frame)."
        )
    if prompt == TRUTH:
        config = PromptedConfig(content=model.content)
        return MethodSpec(
            info=_info(reference, kind, model, f"{kind.title}, prompted with the truth", online=False),
            configs={"truth-prompts": config},
            **_shared(model, kind, prompt="the first mask of each object of the truth"),
        )
    detector_at = parse_reference(prompt)
    if detector_at is None or detector_at.prefix != reference.prefix:
        raise UsageError(f"--prompt {prompt!r}: must be {TRUTH} or hf:PATH of a model of single images.")
    detector = open_model(detector_at.place)
    other = kind_of(detector)
    if other.how != "frames":
        raise UsageError(f"--prompt {prompt}: {other.title} is no model of single images.")
    config = PromptedConfig(
        content=model.content,
        prompt=detector_at.name,
        detector=sha256(f"{detector.content} {detector.weights_hash}".encode()),
    )
    return MethodSpec(
        info=_info(reference, kind, model, f"{kind.title}, shown the objects by {other.title}", online=False),
        configs={detector_at.name.replace(":", "-"): config},
        **_shared(model, kind, detector=detector),
    )


def _shared(model: Model, kind: Kind, prompt: str = "", detector: Model | None = None) -> dict[str, Any]:
    asked = functools.partial(_built, model=model, kind=kind, detector=detector)
    weights = model.weights_hash if detector is None else sha256(
        f"{model.weights_hash} {detector.weights_hash}".encode()
    )  # fmt: skip
    return {
        "choices": (),
        "build": asked,
        "foreign": Foreign(
            code=f"transformers {version('transformers')}, {kind.model}",
            files=(*HOME.glob("*.py"), HOME.parent / "native.py", HOME.parent / "frames.py"),
            weights_hash=weights,
            prompt=prompt,
            class_names=(detector or model).labels if kind.how != "prompted" or detector else (),
        ),
    }


def _built(config: Any, num_classes: int, **how: Any) -> Any:
    """Build, with torch."""
    build: Callable[..., Any] = importlib.import_module("vis_bench.integrations.transformers.build").build
    return build(config, num_classes, **how)


def _info(reference: Reference, kind: Kind, model: Model, title: str, online: bool) -> MethodInfo:
    return MethodInfo(
        name=reference.name,
        title=title,
        paradigm=kind.paradigm,
        online=online,
        paper=kind.paper,
        licence=model.licence,
    )
