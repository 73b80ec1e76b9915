"""Every format: what is written and read again is what was there, but for what is said to be lost."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from contents import CATEGORIES, contents, expected, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from ytvis_files import payload, write_json

from vis_bench.data.ytvis import read_dataset
from vis_bench.integrations.formats.content import Content, as_dataset
from vis_bench.integrations.formats.convert import convert, only_video
from vis_bench.integrations.formats.lost import holdable
from vis_bench.integrations.formats.opened import find
from vis_bench.integrations.formats.table import FORMATS, Format
from vis_bench.types import Dataset

SUFFIX = {"cvat": ".xml"}
PREDICTIONS = [name for name, one in FORMATS.items() if name != "ytvis"]
TRUTH = [name for name in FORMATS if name != "ytvis-results"]


def one_class(content: Content) -> Dataset:
    """The truth that predictions without classes can be about."""
    truth = as_dataset(content, "t", "t", "")
    return replace(truth, categories=CATEGORIES[:1])


def written(content: Content, format_: Format, folder: str) -> Path:
    target = Path(folder) / ("out" if format_.folder else f"out{SUFFIX.get(format_.name, '.json')}")
    if format_.folder:
        target.mkdir()
    format_.write(holdable(content, format_), target)
    return target


@pytest.mark.parametrize("name", PREDICTIONS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_predictions_come_back(name: str, data: st.DataObject) -> None:
    format_ = FORMATS[name]
    content = data.draw(contents(scores=True, videos=1 if name == "cvat" else 2))
    reference = as_dataset(content, "t", "t", "") if format_.classes else one_class(content)
    with tempfile.TemporaryDirectory() as folder:
        path = written(content, format_, folder)
        if format_.folder and not any(file.stat().st_size for file in path.rglob("*") if file.is_file()):
            return  # nothing in it says what it is
        if name == "cvat" and not content.objects:
            return  # refused: it may as well be another kind of CVAT's files
        found = find(path)
        assert found.format.name == name
        back = found.content(reference)
    assert seen(back, format_) == expected(content, format_, with_scores=True)
    assert back.videos == content.videos


@pytest.mark.parametrize("name", TRUTH)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_truth_comes_back(name: str, data: st.DataObject) -> None:
    format_ = FORMATS[name]
    content = data.draw(contents(scores=False, videos=1 if name == "cvat" else 2))
    kept = holdable(content, format_)
    if not format_.empty_videos and not all(
        any(any(one.segmentations) for one in kept.of_video(video.id)) for video in kept.videos
    ):
        return  # said to be lost, and a file without a line is refused
    if not format_.class_names and format_.classes and name != "cvat" and not kept.objects:
        return  # no object, no class
    if name == "cvat" and not content.objects:
        return
    with tempfile.TemporaryDirectory() as folder:
        found = find(written(content, format_, folder), None)
        back = found.content()
    before = expected(content, format_, with_scores=False)
    if not format_.length:
        # frames after the last object of a video are lost
        ends = {video.name: video.length for video in back.videos}
        before = type(before)(
            {(v, c, s, frames[: ends[v]]): count for (v, c, s, frames), count in before.items()}
        )
    if name == "cvat":
        # classes are known by name
        names = {category.name: category.id for category in back.categories}
        number = {category.id: names[category.name] for category in CATEGORIES}
        before = type(before)({(v, number[c], s, f): count for (v, c, s, f), count in before.items()})
    assert seen(back, format_) == before
    if format_.videos:
        assert [(v.name, v.width, v.height, v.file_names) for v in back.videos] == [
            (v.name, v.width, v.height, v.file_names) for v in content.videos
        ]


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.boxes and name != "cvat"])
@settings(max_examples=12, deadline=None)
@given(content=contents(scores=True, boxes=True))
def test_boxes_without_masks_come_back(name: str, content: Content) -> None:
    format_ = FORMATS[name]
    scored = format_.scores
    with tempfile.TemporaryDirectory() as folder:
        path = written(content, format_, folder)
        if format_.folder and not any(file.stat().st_size for file in path.rglob("*") if file.is_file()):
            return
        back = find(path).content(as_dataset(content, "t", "t", ""))
    assert seen(back, format_) == expected(content, format_, with_scores=scored)


@settings(max_examples=12, deadline=None)
@given(content=contents(scores=False, videos=1, boxes=True))
def test_boxes_of_cvat_come_back_to_rounding(content: Content) -> None:
    if not content.objects:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.xml"
        FORMATS["cvat"].write(content, path)
        back = find(path).content(as_dataset(content, "t", "t", ""))
    # edges are eighths of a pixel here, exact in binary
    assert seen(back, FORMATS["cvat"]) == expected(content, FORMATS["cvat"], with_scores=False)


@settings(max_examples=8, deadline=None)
@given(content=contents(scores=False))
def test_one_video_alone(content: Content) -> None:
    video = content.videos[-1]
    part = only_video(content, video.name)
    assert part.videos == (video,)
    assert list(part.objects) == [one for one in content.objects if one.video_id == video.id]


def test_a_zip_with_results_gives_the_same_predictions(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", payload())
    dataset = read_dataset(tmp_path / "t.json", None, "t", "t")
    write_json(
        tmp_path / "p.json",
        [
            {
                "video_id": 1,
                "category_id": 7,
                "score": 1 / 3,
                "segmentations": payload()["annotations"][0]["segmentations"],
            }
        ],
    )
    convert(tmp_path / "p.json", tmp_path / "p.zip", reference=dataset)
    assert find(tmp_path / "p.zip").content(dataset) == find(tmp_path / "p.json").content(dataset)
