"""Recognising files, worked examples of each format, and what is refused in words."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ytvis_files import payload, rle, square, video_record, write_json

from vis_bench.data.ytvis import parse_dataset, read_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.formats.convert import convert
from vis_bench.integrations.formats.davis import palette
from vis_bench.integrations.formats.lost import lost
from vis_bench.integrations.formats.opened import find
from vis_bench.integrations.formats.scored import open_truth_file, read_predictions_file
from vis_bench.integrations.formats.table import FORMATS
from vis_bench.masks.rle import area, decode
from vis_bench.scoring.files import evaluate

FIXTURES = os.environ.get("VIS_BENCH_FIXTURES")
needs_fixtures = pytest.mark.skipif(not FIXTURES, reason="VIS_BENCH_FIXTURES is not set")


def pixels(one, frame):
    mask = one.segmentations[frame]
    return None if mask is None else decode(mask)


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "kind", "objects", "frames"),
    [
        ("05_cocovid.json", "coco-video", 1, 5),
        ("05b_tao.json", "tao", 1, 5),
        ("05c_burst.json", "burst", 1, 5),
        ("05d_mots.txt", "mots-txt", 5, 5),
    ],
)
def test_the_files_that_were_refused_open_and_score(name, kind, objects, frames):
    path = Path(FIXTURES) / "bugs" / name
    found = find(path)
    assert found.format.name == kind
    content = found.content()
    assert (len(content.objects), content.videos[0].length) == (objects, frames)
    # a file of truth as predictions about itself is perfect
    assert evaluate(path, path, metrics="ap")["video_ap"]["AP"] == pytest.approx(1)


@needs_fixtures
def test_results_in_a_zip_score_as_the_file_itself():
    bugs = Path(FIXTURES) / "bugs"
    plain = evaluate(bugs / "pred.json", bugs / "gt.json", metrics="ap")
    assert evaluate(bugs / "04_results.zip", bugs / "gt.json", metrics="ap") == plain


def test_mots_by_hand(tmp_path):
    mask = square(2, 5, 3, 4)
    lines = [f"0 2001 2 12 20 {rle(mask)['counts']}", f"2 2001 2 12 20 {rle(mask)['counts']}"]
    lines.append(f"1 10000 10 12 20 {rle(mask)['counts']}")
    (tmp_path / "0002.txt").write_text("\n".join(lines) + "\n")
    content = find(tmp_path / "0002.txt").content()
    (one,) = content.objects
    assert [video.length for video in content.videos] == [3], "frames count from 0, the last is 2"
    assert [pixels(one, frame) is not None for frame in range(3)] == [True, False, True]
    assert (pixels(one, 0) == mask.astype(bool)).all()
    assert [category.name for category in content.categories] == ["pedestrian"]
    assert any("1 regions to ignore" in note for note in content.notes)


def test_davis_by_hand(tmp_path):
    for frame in range(2):
        picture = np.zeros((4, 6), np.uint8)
        picture[1:3, 2:4] = 3
        picture[0, 0] = 255
        image = Image.fromarray(picture, "L")
        image.putpalette(palette())
        path = tmp_path / f"Annotations/480p/bear/{frame:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    content = find(tmp_path).content()
    assert [video.name for video in content.videos] == ["bear"]
    (one,) = content.objects
    assert (one.id, area(one.segmentations[1])) == (3, 4)
    assert any("void" in note for note in content.notes)
    # the first colours of the palette of PASCAL VOC
    assert palette()[:15] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]


def test_sav_by_hand(tmp_path):
    masks = [rle(square(2, 5, 3, 4)), rle(square(0, 0, 0, 0))]
    record = {
        "video_id": "sav_1",
        "video_height": 12,
        "video_width": 20,
        "video_frame_count": 8,
        "masklet": [[masks[0], masks[1]], [masks[1], masks[0]]],
        "masklet_id": [4, 7],
    }
    content = find(write_json(tmp_path / "sav_1_manual.json", record)).content()
    assert content.videos[0].file_names == ("sav_1/00000.jpg", "sav_1/00004.jpg")
    assert [(one.id, [m is not None for m in one.segmentations]) for one in content.objects] == [
        (4, [True, False]),
        (7, [False, True]),
    ]


def test_motchallenge_by_hand(tmp_path):
    (tmp_path / "MOT-02/gt").mkdir(parents=True)
    (tmp_path / "MOT-02/seqinfo.ini").write_text(
        "[Sequence]\nname=MOT-02\nimDir=img1\nframeRate=30\nseqLength=3\nimWidth=20\nimHeight=12\nimExt=.jpg\n"
    )
    (tmp_path / "MOT-02/gt/gt.txt").write_text(
        "1,5,1,2,4,3,1,1,1\n3,5,2.5,2,4,3,1,1,0.5\n2,9,1,1,2,2,0,8,1\n"
    )
    content = find(tmp_path).content()
    (one,) = content.objects
    # frames and corners count from 1
    assert one.boxes == ((0.0, 1.0, 4.0, 3.0), None, (1.5, 1.0, 4.0, 3.0))
    assert content.videos[0].file_names[0] == "MOT-02/img1/000001.jpg"
    assert any("1 boxes to ignore" in note for note in content.notes)
    (tmp_path / "lonely.txt").write_text("1,5,1,2,4,3,1,1,1\n")
    with pytest.raises(DataError, match=r"seqinfo\.ini"):
        find(tmp_path / "lonely.txt").content()


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>1</id><name>walk</name><size>5</size>
<labels><label><name>cat</name></label><label><name>dog</name></label></labels>
<original_size><width>20</width><height>12</height></original_size></task></meta>
<track id="0" label="dog" source="manual">
<box frame="0" keyframe="1" outside="0" occluded="0" xtl="1" ytl="2" xbr="5" ybr="6"/>
<box frame="2" keyframe="1" outside="0" occluded="0" xtl="5" ytl="2" xbr="9" ybr="6"/>
<box frame="4" keyframe="1" outside="1" occluded="0" xtl="5" ytl="2" xbr="9" ybr="6"/>
</track>
<track id="1" label="cat"><mask frame="1" outside="0" rle="1, 2, 3" left="4" top="1" width="3" height="2"/>
<mask frame="2" outside="1" rle="1, 2, 3" left="4" top="1" width="3" height="2"/></track>
<track id="2" label="cat"><polygon frame="3" outside="0" points="1,1;5,1;5,4;1,4"/></track>
</annotations>"""


def test_cvat_by_hand(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(CVAT)
    content = find(path).content()
    boxes, mask, polygon = content.objects
    assert [category.name for category in content.categories] == ["cat", "dog"]
    # between two shapes the box moves; it stays until it is said to be outside
    assert boxes.boxes == ((1, 2, 4, 4), (3, 2, 4, 4), (5, 2, 4, 4), (5, 2, 4, 4), None)
    drawn = np.zeros((12, 20), bool)
    drawn[1, 5:7] = True
    assert (pixels(mask, 1) == drawn).all()
    assert [m is not None for m in mask.segmentations] == [False, True, False, False, False]
    # nothing says that it leaves: it stays to the end
    assert [m is not None for m in polygon.segmentations] == [False, False, False, True, True]
    assert area(polygon.segmentations[3]) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>', "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><annotations/>', "DOCTYPE"),
        ("<annotations><track>", "not valid XML"),
        ("<a>" * 200 + "</a>" * 200, "nested deeper"),
        ("<annotations><image id='0'/></annotations>", "original_size"),
        (CVAT.replace("1, 2, 3", "1, 2, 4", 1), "do not fill"),
        (CVAT.replace('left="4"', 'left="19"', 1), "outside the frame"),
        (CVAT.replace('xtl="1"', 'xtl="nan"'), "must be a number"),
        (CVAT.replace("<size>5", "<size>99999999999"), "99999999999 frames"),
    ],
)
def test_xml_of_strangers(tmp_path, text, message):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        find(path).content()


def test_xml_beyond_the_limit_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.xml"
    path.write_text(CVAT)
    monkeypatch.setenv("VIS_BENCH_MAX_FILE_BYTES", "100")
    with pytest.raises(DataError, match="more than"):
        find(path).content()


def test_pickles_are_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "results.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match=r"pickle.*Export JSON.*--format-only"):
        find(tmp_path / "results.pkl")
    assert not (tmp_path / "ran").exists()


def test_zips(tmp_path, monkeypatch):
    def packed(**members):
        path = tmp_path / "r.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name.replace("__", "/") + ".json", text)
        return path

    assert find(packed(sub__results="[]", other="{}")).payload == []
    assert find(packed(mine="[]")).payload == []
    with pytest.raises(DataError, match=r"one results.json is needed"):
        find(packed(a="[]", b="[]"))
    monkeypatch.setenv("VIS_BENCH_MAX_FILE_BYTES", "1")
    with pytest.raises(DataError, match="would unpack"):
        find(packed(results="[]"))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match="cannot be unpacked"):
        find(tmp_path / "broken.zip")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"images": [], "annotations": [], "categories": []}, "single images"),
        ([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}], "single images"),
        ({"a": 1}, "`videos` is missing"),
    ],
)
def test_json_without_identities_or_of_no_kind(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        find(write_json(tmp_path / "a.json", value)).content()


def test_a_name_that_is_not_that_format(tmp_path):
    path = write_json(tmp_path / "t.json", payload())
    with pytest.raises(UsageError, match="Did you mean 'burst'"):
        find(path, "brust")
    with pytest.raises(UsageError, match="is a JSON file"):
        find(path, "davis")
    assert find(path, "ytvis").format.name == "ytvis"


@pytest.fixture
def truth(tmp_path):
    return read_dataset(write_json(tmp_path / "t.json", payload()), None, "t", "t")


def test_predictions_without_classes_need_truth_of_one_class(tmp_path, truth):
    (tmp_path / "d/a").mkdir(parents=True)
    Image.fromarray(square(2, 5, 3, 4), "L").save(tmp_path / "d/a/00000.png")
    with pytest.raises(DataError, match="holds no classes"):
        read_predictions_file(tmp_path / "d", truth)


def test_what_is_read_is_said(tmp_path, truth):
    said = []
    counts = rle(square(2, 5, 3, 4))["counts"]
    (tmp_path / "a.txt").write_text(f"1 1000 1 12 20 {counts}\n")
    tracks = read_predictions_file(tmp_path / "a.txt", truth, iou_type="segm", say=said.append)
    assert [track.score for track in tracks] == [1.0]
    assert any("read as MOTS txt" in text for text in said)
    assert any("holds no scores" in text for text in said)
    (tmp_path / "b.txt").write_text(f"1 1000 1 12 20 {counts}\n")
    with pytest.raises(DataError, match="no video is named 'b'"):
        read_predictions_file(tmp_path / "b.txt", truth)


def test_losses_are_listed_and_only_where_they_are(tmp_path):
    over = payload(
        annotations=[
            {**payload()["annotations"][0], "id": n, "category_id": category}
            for n, category in ((1, 1), (2, 7))
        ]
    )
    content = find(write_json(tmp_path / "t.json", over)).content()
    assert lost(content, FORMATS["ytvis"]) == []
    assert lost(content, FORMATS["coco-video"]) == []
    said = " ".join(lost(content, FORMATS["davis"]))
    assert "2 classes become one" in said
    assert "overlaps: 1 masks lose pixels" in said
    assert "scores" not in said, "truth has none"
    crowd = payload(annotations=[{**payload()["annotations"][0], "iscrowd": 1}])
    content = find(write_json(tmp_path / "c.json", crowd)).content()
    assert any("crowds" in text for text in lost(content, FORMATS["burst"]))


def test_nothing_is_overwritten_and_a_name_leads_nowhere(tmp_path):
    source = write_json(tmp_path / "t.json", payload())
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        convert(source, tmp_path / "there.json")
    with pytest.raises(UsageError, match="--to"):
        convert(source, tmp_path / "folder")
    sav = {"video_id": "../../evil", "video_height": 2, "video_width": 2, "masklet": [[None]]}
    with pytest.raises(DataError, match="outside"):
        find(write_json(tmp_path / "s.json", sav)).content()
    convert(source, tmp_path / "folder", target_format="mots-png")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in (tmp_path / "folder").rglob("*.png")) == [
        "folder/a/00000.png",
        "folder/a/00001.png",
    ]


def test_convert_command_says_what_is_lost(vis_bench, tmp_path):
    source = write_json(tmp_path / "t.json", payload())
    results = [
        {"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [rle(square(2, 5, 3, 4)), None]}
    ]
    predictions = write_json(tmp_path / "p.json", results)
    code, out, err = vis_bench("data", "convert", predictions, tmp_path / "m", "--to", "mots-txt")
    assert code == 3
    assert "--truth" in err
    code, out, err = vis_bench(
        "data", "convert", predictions, tmp_path / "m", "--to", "mots-txt", "--truth", source
    )
    assert code == 0
    assert "lost in MOTS txt: scores" in err
    assert "1 objects" in out
    assert (tmp_path / "m/a.txt").read_text().startswith("1 1000 1 12 20 ")
    code, out, _ = vis_bench("eval", tmp_path / "m", "--truth", source, "--metrics", "ap", "--json", "-")
    assert code == 0
    assert json.loads(out)["video_ap"]["AP"] == pytest.approx(1)


def test_truth_in_any_format(tmp_path):
    whole = payload(videos=[video_record()], annotations=payload()["annotations"])
    source = write_json(tmp_path / "t.json", whole)
    convert(source, tmp_path / "c.json", target_format="burst")
    opened = open_truth_file(tmp_path / "c.json")
    plain = parse_dataset(whole, "t", None, "t", "t", "")
    assert [track.segmentations[0]["counts"] for track in opened.tracks] == [
        track.segmentations[0]["counts"] for track in plain.tracks
    ]
    assert opened.tracks[0].areas == (12.0, None)
    assert opened.annotation_hash
