"""What a record says about how a run started, and on how many frames it learned."""

from __future__ import annotations

from pathlib import Path

from vis_bench.engine.plan import RunSpec
from vis_bench.files import read_json, write_json
from vis_bench.method import MethodSpec
from vis_bench.records.run import ImageStageFacts, Start
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
    return Start.model_validate(read_json(path)) if path.exists() else None


def weight_notes(run: RunSpec, spec: MethodSpec) -> list[str]:
    """What a reader has to know about the weights; from the plan, so that a resumed run says it too."""
    settings = run.settings
    notes = [f"started from {settings.weights.name}"] if settings.weights else []
    if not settings.train:
        return [*notes, "not trained: --no-train"]
    if settings.protocol.image_stage is not None and run.stage is None and not notes:
        notes.append(f"started from {backbone_start(run, spec)}")
    return notes


def backbone_start(run: RunSpec, spec: MethodSpec) -> str:
    """Why a run starts from its backbone alone under a protocol with an image stage, in words."""
    rate = getattr(run.config.train, "from_imagenet_lr", None)
    fast = f", at learning rate {run.config.train.lr:g}" if rate == run.config.train.lr else ""
    if spec.image_stage is None:
        return f"its backbone alone{fast}: the method describes no image stage"
    return f"its backbone alone{fast}: no COCO below the data root"
