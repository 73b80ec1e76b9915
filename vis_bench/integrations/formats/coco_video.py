"""COCO-video (mmtracking) and TAO: COCO's JSON with `videos`, their `images`, and `annotations` of an image.

    video       {id, name}
    image       {id, video_id, frame_id | frame_index, file_name, width, height}
    annotation  {id, image_id, category_id, instance_id | track_id, segmentation, bbox, score (predictions)}
    track       {id, category_id, video_id}  (TAO)

Source: CocoVID of mmtracking (docs), TAO's annotation format (docs/format of the TAO toolkit).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vis_bench.data.records import read_boxes, require_int, require_list, require_object
from vis_bench.data.segmentations import is_finite_number
from vis_bench.data.ytvis import read_categories, read_videos, rle_record
from vis_bench.errors import DataError
from vis_bench.files import write_json
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.reference import find_video
from vis_bench.masks.rle import area, tight_box
from vis_bench.types import Dataset, Video

_ORDER = ("frame_id", "frame_index")
_IDENTITY = ("instance_id", "track_id")


def read(payload: Any, where: str, reference: Dataset | None) -> Content:
    """A parsed file. Raises DataError for what is missing or does not fit together."""
    record = require_object(payload, where)
    images = _images(record, where)
    own = _videos(record, images, where)
    categories = read_categories(require_list(record, "categories", where), where)
    known = {category.id for category in categories}
    place = _places(own, images, reference, where)
    class_of_track = _classes_of_tracks(record, where)
    entries, ignored = [], 0
    for i, value in enumerate(require_list(record, "annotations", where)):
        one = require_object(value, f"{where}, annotations[{i}]")
        at = f"{where}, annotation {one.get('id', f'number {i}')}"
        image = require_int(one, "image_id", at)
        if image not in place:
            raise DataError(f"{at}: image {image} is not in `images`.")
        key = next((name for name in _IDENTITY if one.get(name) is not None), None)
        if key is None:
            raise DataError(
                f"{at}: has neither `instance_id` nor `track_id`: which object of the video is it? A file of "
                "single images has no identities and cannot be scored as video."
            )
        track_id = require_int(one, key, at)
        category_id = class_of_track.get(track_id)
        if category_id is None:
            category_id = require_int(one, "category_id", at)
        if category_id not in known:
            raise DataError(f"{at}: category {category_id!r} is not in `categories`.")
        mask = one.get("segmentation")
        box = read_boxes([one.get("bbox")], at)[0]
        if mask is None and box is None:
            ignored += 1
            continue
        video_id, frame = place[image]
        entries.append(
            Entry(
                video_id=video_id,
                track_id=track_id,
                frame=frame,
                category_id=category_id,
                mask=mask or None,
                box=box,
                score=_score(one, at),
                where=at,
                is_crowd=bool(one.get("iscrowd", 0)),
            )
        )
    videos = tuple(reference.videos) if reference is not None else tuple(own.values())
    classes = categories if reference is None else reference.categories
    objects, notes = gather(videos, entries)
    if ignored:
        notes = (*notes, f"{ignored} annotations have neither mask nor box and are left out.")
    return Content(videos, classes, objects, notes=notes)


def _score(record: Mapping[str, Any], where: str) -> float | None:
    score = record.get("score")
    if score is not None and not is_finite_number(score):
        raise DataError(f"{where}: `score` must be a finite number, found {score!r}.")
    return None if score is None else float(score)


def _images(record: dict[str, Any], where: str) -> dict[int, list[dict[str, Any]]]:
    """Images by video, in order of time."""
    by_video: dict[int, list[dict[str, Any]]] = {}
    for i, value in enumerate(require_list(record, "images", where)):
        image = require_object(value, f"{where}, images[{i}]")
        by_video.setdefault(require_int(image, "video_id", f"{where}, images[{i}]"), []).append(image)
    for video_id, images in by_video.items():
        key = next((name for name in _ORDER if all(isinstance(i.get(name), int) for i in images)), None)
        places = [image[key] if key else str(image.get("file_name")) for image in images]
        if len(set(places)) < len(places):
            raise DataError(f"{where}, video {video_id}: two of its images are the same frame.")
        images.sort(key=lambda image: image[key] if key else str(image.get("file_name")))
    return by_video


def _videos(
    record: dict[str, Any], images: Mapping[int, list[dict[str, Any]]], where: str
) -> dict[int, Video]:
    records = []
    for i, value in enumerate(require_list(record, "videos", where)):
        video_id = require_int(require_object(value, f"{where}, videos[{i}]"), "id", f"{where}, videos[{i}]")
        own = images.get(video_id, [])
        if not own:
            raise DataError(f"{where}, video {video_id}: has no image.")
        at = f"{where}, an image of video {video_id}"
        sizes = {(require_int(image, "width", at), require_int(image, "height", at)) for image in own}
        if len(sizes) > 1:
            raise DataError(
                f"{where}, video {video_id}: its images have several sizes ({sorted(sizes)[:2]})."
            )
        width, height = sizes.pop()
        names = [image.get("file_name") for image in own]
        records.append({"id": video_id, "width": width, "height": height, "file_names": names})
    return {video.id: video for video in read_videos(records, where)}


def _places(
    own: Mapping[int, Video],
    images: Mapping[int, list[dict[str, Any]]],
    reference: Dataset | None,
    where: str,
) -> dict[int, tuple[int, int]]:
    """(video, frame) of every image id, in the videos of the reference where there is one."""
    places: dict[int, tuple[int, int]] = {}
    for video_id, video in own.items():
        target = video if reference is None else find_video(video.name, reference, where)
        frame_of = {name: frame for frame, name in enumerate(target.file_names)}
        last_of = {name.rpartition("/")[2]: frame for frame, name in enumerate(target.file_names)}
        for number, image in enumerate(images[video_id]):
            image_id = require_int(image, "id", f"{where}, video {video_id}")
            if image_id in places:
                raise DataError(f"{where}, image {image_id}: the id occurs twice in `images`.")
            name = video.file_names[number]
            frame = frame_of.get(name, last_of.get(name.rpartition("/")[2]))
            if frame is None and video.length == target.length:
                frame = number
            if frame is None:
                raise DataError(f"{where}, image {image_id}: {name!r} is no frame of {target.name!r}.")
            places[image_id] = target.id, frame
    return places


def _classes_of_tracks(record: dict[str, Any], where: str) -> dict[int, int]:
    """TAO: the class stands at the track."""
    tracks = record.get("tracks")
    if not isinstance(tracks, list):
        return {}
    found = [require_object(value, f"{where}, tracks[{i}]") for i, value in enumerate(tracks)]
    return {
        require_int(one, "id", f"{where}, track"): require_int(one, "category_id", f"{where}, track")
        for one in found
        if "category_id" in one
    }


def write(content: Content, path: Path) -> None:
    """Write COCO-video."""
    write_json(path, _payload(content, "instance_id", "frame_id"), indent=None)


def write_tao(content: Content, path: Path) -> None:
    """Write TAO: the same with `track_id` and a list of tracks."""
    payload = _payload(content, "track_id", "frame_index")
    payload["tracks"] = [
        {"id": one.id, "category_id": one.category_id, "video_id": one.video_id} for one in content.objects
    ]
    write_json(path, payload, indent=None)


def _payload(content: Content, identity: str, order: str) -> dict[str, Any]:
    image_ids = {
        (video.id, frame): 0 for video in content.videos for frame in range(video.length)
    }  # numbered in this order
    image_ids = {key: number for number, key in enumerate(image_ids, start=1)}
    images = [
        {
            "id": image_ids[video.id, frame],
            "video_id": video.id,
            order: frame,
            "file_name": name,
            "width": video.width,
            "height": video.height,
        }
        for video in content.videos
        for frame, name in enumerate(video.file_names)
    ]
    annotations: list[dict[str, Any]] = []
    for one in content.objects:
        for frame, mask in enumerate(one.segmentations):
            box = tight_box(mask) if mask is not None else one.boxes[frame] if one.boxes else None
            if box is None:
                continue
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_ids[one.video_id, frame],
                    "video_id": one.video_id,
                    identity: one.id,
                    "category_id": one.category_id,
                    "bbox": list(box),
                    "area": area(mask) if mask is not None else box[2] * box[3],
                    "iscrowd": int(one.is_crowd),
                    **({"segmentation": rle_record(mask)} if mask is not None else {}),
                    **({"score": one.score} if one.score is not None else {}),
                }
            )
    return {
        "videos": [
            {"id": video.id, "name": video.name, "width": video.width, "height": video.height}
            for video in content.videos
        ],
        "images": images,
        "categories": [{"id": category.id, "name": category.name} for category in content.categories],
        "annotations": annotations,
    }
