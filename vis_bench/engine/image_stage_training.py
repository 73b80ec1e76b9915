"""Training of an image stage, once for all runs that start from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from vis_bench.cache import saying_that_it_is_made_anew
from vis_bench.engine.image_stage import Stage, motion_of, open_images
from vis_bench.engine.process.lease import noting
from vis_bench.engine.process.lock import locked
from vis_bench.engine.process.precision import precision
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.training.loop import TrainJob, seed_everything, train_method
from vis_bench.engine.training.weights import load_weights
from vis_bench.errors import DataError
from vis_bench.files import read_json, remove_temporaries, sha256, write_json
from vis_bench.method import MethodSpec, StartRules
from vis_bench.records.run import Start
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.seeds import axis_seed
from vis_bench.weights.start import load_start, without_new

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

PROGRESS_NAME = "image stage"
CLASSES_NAME = "classes.json"


def stage_weights(
    stage: Stage, settings: Settings, backbone: Mapping[str, Tensor] | None, progress: Progress
) -> dict[str, Tensor]:
    """The weights of an image stage; trained here where nobody has yet, waited for where somebody does.

    backbone: what it starts from, None for a random start. An interrupted stage goes on where it stopped, and
    ends with the same weights. Raises what its training raises.
    """
    # it is there only when it is whole, and then never changes
    if not stage.checkpoint.exists():
        with locked(stage.directory, True, lambda who: progress(f"waiting for {who}", 0, 1)) as lease:
            if not stage.checkpoint.exists():
                remove_temporaries(stage.directory)
                _train(stage, settings, backbone, noting(lease, progress))
    return load_weights(stage.checkpoint)


def start_from(
    model: nn.Module, stage: Stage, weights: Mapping[str, Tensor], spec: MethodSpec, classes: Sequence[str]
) -> Start:
    """Load an image stage into a model on videos; what is new there keeps its random start.

    classes: of the model, in order; the heads of other classes start anew. Everything has to fit but what is
    new in the model or, where the stage is another method's, in that one. Raises as `load_start`.
    """
    own = spec.image_stage
    assert own is not None
    other = None if own.same_as is None else load_spec(own.same_as).image_stage
    return load_start(
        model,
        without_new(weights, own.new),
        StartRules(
            may_miss=(*own.new, *own.absent),
            may_be_unused=() if other is None else other.new,
            class_heads=spec.start.class_heads,
        ),
        source=stage.source,
        sha256=sha256(stage.checkpoint.read_bytes()),
        classes=classes,
        state_classes=stage_classes(stage),
    )


def stage_classes(stage: Stage) -> list[str]:
    """Names of the classes that a stage has learned, in order."""
    with saying_that_it_is_made_anew(stage.directory):
        return read_json(stage.directory / CLASSES_NAME)


def _train(
    stage: Stage, settings: Settings, backbone: Mapping[str, Tensor] | None, progress: Progress
) -> None:
    rules, part = stage.rules, stage.part
    images = open_images(settings, rules)
    if images is None:
        raise DataError("the images of COCO that this image stage was planned with are no longer there.")
    spec = load_spec(part.method)
    seed_everything(axis_seed(rules.seed, "init"))
    model = build_method(spec, part.config, len(images.categories)).to(settings.device)
    if backbone is not None:
        model.backbone.load_state_dict(dict(backbone))
    write_json(stage.directory / CLASSES_NAME, [category.name for category in images.categories])
    job = TrainJob(
        part.train,
        images,
        settings.protocol,
        rules.seed,
        settings.device,
        stills=motion_of(rules),
        in_order=settings.deterministic or settings.device == "cpu",
        workers=settings.workers or 0,
        scale_gradients=stage.precision == "fp16",
    )
    with precision(stage.precision, settings.device):
        train_method(model, job, stage.directory, lambda _, done, total: progress(PROGRESS_NAME, done, total))
