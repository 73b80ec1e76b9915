"""The truth of a rendered video in the YouTube-VIS layout, and facts about how hard it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from vis_bench.data.shapes.parameters import CLASS_NAMES, MIN_VISIBLE_PX
from vis_bench.data.shapes.render import RenderedVideo
from vis_bench.data.shapes.scenario import VideoPlan
from vis_bench.masks import rle

# Hidden parts are counted only while this much of the object is inside the frame.
MIN_WHOLE_PX = 60


def categories() -> list[dict[str, Any]]:
    """The `categories` block: ids 1 to 5."""
    return [{"id": i, "name": name, "supercategory": "shape"} for i, name in enumerate(CLASS_NAMES, start=1)]


def visible_px(owners: np.ndarray, objects: int) -> np.ndarray:
    """Visible pixels of each object: owners int8 [T, H, W] to int [objects, T]; fewer than 12 become 0."""
    counted = np.stack([(owners == i).sum(axis=(1, 2)) for i in range(objects)])
    return np.where(counted >= MIN_VISIBLE_PX, counted, 0)


def object_annotations(plan: VideoPlan, rendered: RenderedVideo) -> list[dict[str, Any]]:
    """Annotations of one video without `id` and `video_id`; objects never seen are left out."""
    height, width = plan.size_px
    visible = visible_px(rendered.owners, len(plan.objects))
    result = []
    for i, item in enumerate(plan.objects):
        if not visible[i].any():
            continue
        masks = [rle.encode(rendered.owners[t] == i) if visible[i, t] else None for t in range(plan.frames)]
        result.append(
            {
                "category_id": item.look.label + 1,
                "iscrowd": 0,
                "height": height,
                "width": width,
                "length": plan.frames,
                "segmentations": [
                    None if m is None else {"size": list(m["size"]), "counts": m["counts"].decode("ascii")}
                    for m in masks
                ],
                "bboxes": [None if m is None else list(rle.tight_box(m)) for m in masks],
                "areas": [None if m is None else rle.area(m) for m in masks],
            }
        )
    return result


def video_facts(plan: VideoPlan, rendered: RenderedVideo) -> dict[str, Any]:
    """How hard a video is.

    objects: annotated objects. max_occlusion: largest hidden share of an object in any frame, in [0, 1],
    where at least 60 of its pixels lie inside the frame. alike_pair: two annotated objects are equal in
    class, colour and texture. reappearances: how often an object is seen again after at least one frame
    without it.
    """
    visible = visible_px(rendered.owners, len(plan.objects))
    seen = np.asarray(visible.max(axis=1) > 0)
    counted = seen[:, None] & (rendered.whole_px >= MIN_WHOLE_PX)
    hidden = np.where(counted, 1.0 - visible / np.maximum(rendered.whole_px, 1), 0.0)
    looks = [item.look for item, annotated in zip(plan.objects, seen, strict=True) if annotated]
    alike = any(a.equals(b) for i, a in enumerate(looks) for b in looks[i + 1 :])
    present = visible > 0
    entries = present[:, 0] + (present[:, 1:] & ~present[:, :-1]).sum(axis=1)
    return {
        "objects": int(seen.sum()),
        "max_occlusion": round(float(hidden.max(initial=0.0)), 4),
        "alike_pair": alike,
        "reappearances": int(np.maximum(entries - 1, 0).sum()),
    }


def late_objects(owners: np.ndarray, objects: int) -> int:
    """How many objects are first seen after frame 3 (counted from 0) or seen again after 3 frames or more.

    owners: int8 [T, H, W] with positions of so many objects; see visible_px for what counts as seen.
    """
    late = 0
    for visible in visible_px(owners, objects) > 0:
        seen = np.flatnonzero(visible)
        late += bool(seen.size) and bool(seen[0] > 3 or np.diff(seen).max(initial=1) > 3)
    return late
