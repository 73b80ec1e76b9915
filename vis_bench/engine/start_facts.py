"""What a record says about how a run started, and on how many frames it learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from vis_bench.cache import saying_that_it_is_made_anew
from vis_bench.engine.foreign import brings_weights
from vis_bench.engine.image_stage import stages_of
from vis_bench.engine.plan import RunSpec
from vis_bench.errors import DataError
from vis_bench.files import read_json, write_json
from vis_bench.method import MethodSpec
from vis_bench.records.run import ImageStageFacts, Start
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.schedule import frames_seen, frames_with_detection_loss

START_NAME = "start.json"


def frames_facts(run: RunSpec, spec: MethodSpec) -> dict[str, int]:
    """Frames of the training on videos, for a record; nothing where nothing is trained."""
    if not run.settings.train:
        return {}
    return {
        "frames_seen": frames_seen(run.config),
        "frames_with_detection_loss": frames_with_detection_loss(run.config, spec),
    }


def stage_facts(run: RunSpec) -> ImageStageFacts | None:
    """The image stage that a run starts from, for its record."""
    if run.stage is None:
        return None
    stage, images = run.stage, run.stage.rules.iterations * run.stage.rules.images_per_step
    return ImageStageFacts(
        name=stage.part.name,
        key=stage.key,
        data=stage.rules.data,
        images=images,
        frames=images * stage.part.frames,
    )


def write_start(train_dir: Path, start: Start) -> None:
    """Keep what a training starts from, for the records of all runs that use its weights."""
    write_json(train_dir / START_NAME, start.model_dump(mode="json"))


def read_start(train_dir: Path) -> Start | None:
    """What the training in this directory started from; None where that was no whole model."""
    path = train_dir / START_NAME
    if not path.exists():
        return None
    with saying_that_it_is_made_anew(train_dir):
        try:
            return Start.model_validate(read_json(path))
        except ValidationError:
            raise DataError(f"{path}: is damaged.") from None


def weight_notes(run: RunSpec, spec: MethodSpec) -> list[str]:
    """What a reader has to know about the weights; from the plan, so that a resumed run says it too."""
    settings = run.settings
    if brings_weights(spec):
        return ["not trained: --no-train", "the weights are those that the model brings"]
    given = run.start.path if run.start is not None else settings.weights
    notes = [f"started from {given.name}"] if given is not None else []
    if not settings.train:
        return [*notes, "not trained: --no-train"]
    if settings.protocol.image_stage is not None and run.stage is None and not notes:
        notes.append(f"started from {backbone_start(run, spec)}")
    return notes


def backbone_start(run: RunSpec, spec: MethodSpec) -> str:
    """What a run starts from that has no image stage under a protocol with one, and why, in words."""
    train = run.config.train
    fast = getattr(train, "from_imagenet_lr", None) == train.lr
    rate = f" at learning rate {train.lr:g}" if fast else ""
    why = "the method describes no image stage" if spec.image_stage is None else "no COCO below the data root"
    return f"its backbone alone{rate} ({why})"


def start_texts(runs: Sequence[RunSpec]) -> list[tuple[str, str]]:
    """Lines of a plan: (first word, text). Every image stage with what starts from it, then who starts
    without."""
    texts = []
    for stage in stages_of(runs).values():
        names = dict.fromkeys(
            _row(run) for run in runs if run.stage is not None and run.stage.key == stage.key
        )
        state = "trained" if stage.checkpoint.exists() else "to train"
        texts.append(("start", f"{stage.source} ({state}): {', '.join(names)}"))
    without: dict[str, dict[str, None]] = {}
    for run in runs:
        settings = run.settings
        if run.stage is None and settings.train and run.start is None:
            spec = load_spec(run.method)
            text = _start_without_stage(run, spec)
            without.setdefault(text, {})[_row(run)] = None
    return [*texts, *(("start", f"{text}: {', '.join(names)}") for text, names in without.items())]


def _start_without_stage(run: RunSpec, spec: MethodSpec) -> str:
    if run.settings.protocol.image_stage is not None:
        return backbone_start(run, spec)
    random = run.settings.protocol.initialisation.recipe is None
    return "random weights" if random else "the backbone alone, as the protocol says"


def _row(run: RunSpec) -> str:
    return run.label.rpartition(" seed ")[0]
