"""What tracking promises: results of the right form, on-line where declared, no memory of other videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vis_bench.engine.contract.association import association
from vis_bench.engine.contract.bench import Bench
from vis_bench.engine.contract.differences import SCORE_TOLERANCE, first_difference, frame_difference
from vis_bench.engine.contract.result import Check, Outcome, broken, not_applicable, passed, told
from vis_bench.engine.training.weights import load_weights, save_weights
from vis_bench.errors import MethodError
from vis_bench.method import FrameDetection


def output(bench: Bench) -> Outcome:
    """Tracks of the right form (checked by the engine), frame results with the right content."""
    found = bench.track(bench.copy(), "scene")
    if found.results is None:
        masks = sum(s is not None for track in found.tracks for s in track.segmentations)
        return passed(_amount(len(found.tracks), masks, bench))
    classes, video = bench.num_classes, bench.video("scene")
    for result in found.results:
        identities = [detection.identity for detection in result.detections]
        if len(set(identities)) != len(identities):
            return broken(f"frame {result.index}: two detections have one identity")
        for detection in result.detections:
            problem = _detection_problem(detection, classes, [video.height, video.width])
            if problem:
                return broken(f"frame {result.index}: {problem}")
    detections = sum(len(result.detections) for result in found.results)
    return passed(_amount(len(found.tracks), detections, bench))


def _detection_problem(detection: FrameDetection, classes: int, size: list[int]) -> str | None:
    scores = np.asarray(detection.class_scores)
    if detection.identity < 0:
        return f"identity {detection.identity}; identities count from 0"
    if scores.shape != (classes,):
        return f"class_scores of shape {scores.shape} for {classes} classes"
    if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1 + SCORE_TOLERANCE:
        return f"class_scores from {scores.min()} to {scores.max()}; they must lie in 0..1"
    if detection.segmentation is not None and list(detection.segmentation["size"]) != size:
        return f"a mask of size {list(detection.segmentation['size'])}, frames are {size}"
    return None


def _amount(tracks: int, parts: int, bench: Bench) -> str:
    if not tracks:
        return "nothing was predicted after a few steps: the checks of tracking show little"
    return f"{tracks} tracks, {parts} detections in {bench.video('scene').length} frames"


def online(bench: Bench) -> Outcome:
    """Results of a frame are the same whatever the later frames show, and whether or not there are any."""
    if not bench.subject.spec.info.online:
        return not_applicable("the method does not say that it is on-line")
    whole = bench.track(bench.copy(), "scene")
    if whole.results is None:
        return broken("`track` returned a list; an on-line method yields one result per frame")
    if whole.look_ahead_frames:
        return broken(f"a result was yielded after {whole.look_ahead_frames} later frames had been read")
    changes = {"scene, then other": "later frames show something else", "scene, cut": "the video ends"}
    for name, change in changes.items():
        other = bench.track(bench.copy(), name)
        for one, two in zip(whole.results[: bench.kept_frames], other.results or (), strict=False):
            gap = frame_difference(one, two)
            if gap:
                return broken(
                    f"the result of frame {one.index} is another when {change} after frame "
                    f"{bench.kept_frames - 1}: {gap}"
                )
    return passed("no frame is read ahead, and later frames change nothing")


def resets(bench: Bench) -> Outcome:
    """A video gives the same tracks after another video as alone, and tracking changes no weight."""
    alone = bench.track(bench.copy(), "other")
    model = bench.copy()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bench.track(model, "scene")
    gap = first_difference(alone, bench.track(model, "other"))
    if gap:
        return broken(f"a video tracked after another differs from the same video alone: {gap}")
    for name, value in model.state_dict().items():
        if not (value == before[name]).all():
            return broken(f"tracking changed {name}")
    return passed("a video after another gives the same tracks as alone")


def repeats(bench: Bench) -> Outcome:
    """Two passes over one video with one seed agree."""
    first = bench.track(bench.copy(), "scene")
    gap = first_difference(first, bench.track(bench.copy(), "scene"))
    if gap:
        return broken(f"two passes over one video with one seed differ: {gap}")
    if first_difference(first, bench.track(bench.copy(), "scene", seed=1)):
        return passed("two passes agree; the method draws random numbers, another seed gives other tracks")
    return passed("two passes agree, whatever the seed")


def frame_sizes(bench: Bench) -> Outcome:
    """Portrait, odd, larger and smaller than what was trained on."""
    return _each(bench, bench.sized)


def one_frame(bench: Bench) -> Outcome:
    """A video of one frame."""
    return _each(bench, ("one frame",))


def blank(bench: Bench) -> Outcome:
    """Black videos, and objects that come late or go."""
    return _each(bench, ("black", "black, then scene", "scene, then black"))


def _each(bench: Bench, names: tuple[str, ...]) -> Outcome:
    for name in names:
        try:
            bench.track(bench.copy(), name)
        except MethodError as error:
            return broken(str(error))
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is reported
            return broken(f"video {name}: {told(error)}")
    return passed("; ".join(names))


def checkpoint(bench: Bench) -> Outcome:
    """Weights written as safetensors and loaded into a new model give the same tracks."""
    path = Path(bench.folder) / "checkpoint.safetensors"
    save_weights(path, bench.trained.state_dict())
    fresh = bench.subject.build(seed=1)
    fresh.load_state_dict(load_weights(path))
    gap = first_difference(bench.track(bench.copy(), "scene"), bench.track(fresh, "scene"))
    if gap:
        return broken(f"a new model with the saved weights tracks otherwise: {gap}")
    return passed("a new model with the saved weights gives the same tracks")


TRACKING = (
    Check(
        "output",
        "See FrameDetection and VideoInstance in vis_bench/method.py: one entry per frame, labels from 0, "
        "masks at the size of the video, finite scores.",
        output,
    ),
    Check(
        "online",
        "Take one frame from the iterator, yield its result, then take the next; use neither video.length "
        "nor statistics of the whole video. Or declare online=False.",
        online,
    ),
    Check(
        "resets",
        "Keep memory and identities in local variables of `track`, not in attributes of the module.",
        resets,
    ),
    Check(
        "repeats",
        "Draw random numbers, if any, from torch's global generator, which is seeded for every video.",
        repeats,
    ),
    Check(
        "frame sizes",
        "Pad to the stride inside `track` and cut the masks back to the size of the video.",
        frame_sizes,
    ),
    Check("one frame", "Let everything that looks at the previous frame do without one.", one_frame),
    Check(
        "blank frames", "Let every step work on no detections: empty tensors, no maximum of nothing.", blank
    ),
    Check(
        "checkpoint",
        "Keep everything that training changes in parameters or registered buffers.",
        checkpoint,
    ),
    Check(
        "association",
        "Let `track` call the rule that MethodSpec names, on exactly the detections that it puts into "
        "FrameResult.candidates, and let `summarise` call the one named there.",
        association,
    ),
)
