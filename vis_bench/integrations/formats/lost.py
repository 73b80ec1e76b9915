"""What a format cannot hold of a content: said before anything is written, never dropped in silence."""

from __future__ import annotations

from dataclasses import replace

from vis_bench.integrations.formats.content import ONLY_CLASS, Content
from vis_bench.integrations.formats.pixel_numbers import without_overlaps
from vis_bench.integrations.formats.table import Format


def lost(content: Content, target: Format) -> list[str]:
    """One sentence for each kind of thing in the content that the format does not hold."""
    objects = content.objects
    said: list[str] = []
    if content.has_scores and not target.scores:
        said.append("scores: every track counts alike when it is read again (score 1)")
    if not target.classes and content.categories != (ONLY_CLASS,):
        said.append(f"classes: {len(content.categories)} classes become one")
    elif not target.class_names:
        said.append("names of the classes, and classes without an object: numbers remain")
    if content.has_masks and not target.masks:
        said.append("masks: boxes around them remain")
    only_boxes = sum(one.boxes is not None and not any(one.segmentations) for one in objects)
    if only_boxes and not target.boxes:
        said.append(f"{only_boxes} objects that have boxes and no masks")
    with_both = sum(one.boxes is not None and any(one.segmentations) for one in objects)
    if with_both and target.name != "ytvis-results":
        said.append(
            f"the predicted boxes of {with_both} tracks that have masks too: boxes around masks remain"
        )
    crowds = sum(one.is_crowd for one in objects)
    if crowds and not target.crowds:
        said.append(f"that {crowds} annotations are crowds: they are left out")
    if not target.overlaps:
        taken = _overlapping_masks(content)
        if taken:
            said.append(
                f"overlaps: {taken} masks lose pixels to another (the higher score, or the first, wins)"
            )
    if not target.videos:
        said.append(_about_videos(target))
    if not target.length:
        said.append("the length of a video after its last object")
    if not target.empty_videos and any(not content.of_video(video.id) for video in content.videos):
        said.append("videos without an object")
    if not target.ids:
        said.append("track ids: objects are numbered anew")
    unseen = sum(not any(map(one.in_frame, range(len(one.segmentations)))) for one in objects)
    if unseen and target.name not in ("ytvis", "ytvis-results", "sav"):
        said.append(f"{unseen} objects that are in no frame")
    return said


def _about_videos(target: Format) -> str:
    if target.name == "ytvis-results":
        return "the list of videos: it stands in the truth file"
    return "ids of the videos, and parts of the names of their frames"


def _overlapping_masks(content: Content) -> int:
    kept = without_overlaps(content)
    return sum(
        before is not None and before["counts"] != (b"" if after is None else after["counts"])
        for old, new in zip(content.objects, kept.objects, strict=True)
        for before, after in zip(old.segmentations, new.segmentations, strict=True)
    )


def holdable(content: Content, target: Format) -> Content:
    """The part of the content that the format holds, where its writer would refuse the rest."""
    objects = content.objects
    if not target.crowds:
        objects = tuple(one for one in objects if not one.is_crowd)
    if not target.boxes:
        objects = tuple(one for one in objects if one.boxes is None or any(one.segmentations))
        objects = tuple(replace(one, boxes=None) for one in objects)
    content = replace(content, objects=objects)
    return content if target.overlaps else without_overlaps(content)
