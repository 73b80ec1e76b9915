"""Models of the library, loaded from their folders."""

from __future__ import annotations

from typing import Any

from vis_bench.errors import MethodError
from vis_bench.integrations.frames import FrameConfig, FrameTracker
from vis_bench.integrations.native import Native
from vis_bench.integrations.transformers.folder import Model
from vis_bench.integrations.transformers.kinds import KINDS, Kind, PromptedConfig, VideoConfig
from vis_bench.integrations.transformers.prompted import PromptedTracker
from vis_bench.integrations.transformers.queries import FrameDetector
from vis_bench.integrations.transformers.videomt import VideoQueries


def build(config: Any, num_classes: int, *, model: Model, kind: Kind, detector: Model | None) -> Native:
    """The method of a model with its weights, on the CPU, in 32 bits.

    num_classes: of the data set; the labels of the model are matched to its names when they are known.
    detector: shows a prompted model its objects, or None. Raises MethodError for weights that do not fit.
    """
    import transformers

    native = _loaded(model, kind)
    if isinstance(config, FrameConfig):
        return FrameTracker(_detector(model, native, config, num_classes), config, num_classes)
    if isinstance(config, VideoConfig):
        processor = transformers.AutoVideoProcessor.from_pretrained(model.folder)
        return VideoQueries(native, processor, model.labels, config, num_classes)
    assert isinstance(config, PromptedConfig)
    shown = None
    if detector is not None:
        asked = FrameConfig(
            content="", score_threshold=config.score_threshold, detections_per_frame=config.most_objects
        )
        shown = _detector(detector, _loaded(detector, KINDS[detector.model_type]), asked, num_classes)
    processor = transformers.Sam2VideoProcessor.from_pretrained(model.folder)
    return PromptedTracker(native, processor, shown, num_classes)


def _detector(model: Model, native: Any, config: FrameConfig, num_classes: int) -> FrameDetector:
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(model.folder)
    return FrameDetector(native, processor, model.model_type, model.labels, config, num_classes)


def _loaded(model: Model, kind: Kind) -> Any:
    """The model with all of its weights; none is left as it was drawn."""
    import transformers

    # it would write over the bars of the run
    transformers.utils.logging.disable_progress_bar()
    made = getattr(transformers, kind.model)
    native, facts = made.from_pretrained(
        model.folder,
        use_safetensors=True,
        local_files_only=True,
        dtype="float32",
        output_loading_info=True,
    )
    missing = [*facts.get("missing_keys", ()), *facts.get("mismatched_keys", ())]
    if missing:
        raise MethodError(
            f"{model.folder}: {len(missing)} tensors of {kind.model} are not in its weights, such as "
            f"{sorted(map(str, missing))[0]}."
        )
    return native.eval()
