"""Training of an image stage, once for all runs that start from it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import Tensor, nn

from vis_bench.engine.image_stage import Stage, motion_of, open_images
from vis_bench.engine.process.lock import locked_in_turn
from vis_bench.engine.process.precision import precision
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.training.loop import TrainJob, seed_everything, train_method
from vis_bench.engine.training.weights import load_weights
from vis_bench.errors import DataError
from vis_bench.files import remove_temporaries, sha256
from vis_bench.method import ImageStage
from vis_bench.records.run import Start
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.seeds import axis_seed

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

PROGRESS_NAME = "image stage"


def stage_weights(
    stage: Stage, settings: Settings, backbone: Mapping[str, Tensor] | None, progress: Progress
) -> dict[str, Tensor]:
    """The weights of an image stage; trained here where nobody has yet, waited for where somebody does.

    backbone: what it starts from, None for a random start. An interrupted stage goes on where it stopped, and
    ends with the same weights. Raises what its training raises.
    """
    # it is there only when it is whole, and then never changes
    if not stage.checkpoint.exists():
        with locked_in_turn(stage.directory):
            if not stage.checkpoint.exists():
                remove_temporaries(stage.directory)
                _train(stage, settings, backbone, progress)
    return load_weights(stage.checkpoint)


def start_from(
    model: nn.Module, stage: Stage, weights: Mapping[str, Tensor], description: ImageStage
) -> Start:
    """Load what fits of an image stage into a model on videos; what is new there keeps its random start."""
    own = model.state_dict()
    fitting = {
        name: value
        for name, value in weights.items()
        if name in own
        and own[name].shape == value.shape
        and not any(fnmatchcase(name, pattern) for pattern in description.new)
    }
    model.load_state_dict(fitting, strict=False)
    return Start(
        sha256=sha256(stage.checkpoint.read_bytes()),
        source=stage.source,
        loaded=len(fitting),
        of=len(own),
        missing=tuple(sorted(set(own) - set(fitting))),
    )


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
