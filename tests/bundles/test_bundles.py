"""Bundles: equal bytes, what is checked, what differs, and that nothing hostile is taken."""

import gzip
import io
import json
import shutil
import stat
import subprocess
import zipfile

import pytest
from stored_runs import store_run

from vis_bench.bundles import signature
from vis_bench.bundles.archive import MOST_ENTRY_BYTES, PERMISSIONS, TIME_STAMP, write_archive
from vis_bench.bundles.opened import open_bundle
from vis_bench.bundles.pack import bundle
from vis_bench.bundles.verify import verification_text, verify_bundle
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError, NotComparableError, UsageError
from vis_bench.files import read_json, sha256, write_json


@pytest.fixture
def run(squares, tmp_path):
    """A run that finds the object of one of two videos."""
    return store_run(tmp_path / "runs", squares, "stc", 0, [0])


@pytest.fixture
def packed(run, tmp_path):
    return bundle([run], tmp_path / "one.vis.zip").path


def changed(run, **values):
    """The record of a run with other values at its top level."""
    record = read_json(run / "record.json")
    write_json(run / "record.json", {**record, **values})


def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_equal_runs_give_equal_bytes_and_every_entry_is_stored_with_one_time(run, packed, tmp_path):
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(run, copy)
    again = bundle([copy], tmp_path / "two.vis.zip")
    assert again.path.read_bytes() == packed.read_bytes()
    assert again.sha256 == sha256(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        found = archive.infolist()
    assert [one.filename for one in found] == sorted(one.filename for one in found)
    assert {one.filename.rpartition("/")[2] for one in found} == {
        *("bundle.json", "record.json", "predictions.json.gz"),
    }
    assert {(one.date_time, one.compress_type, one.external_attr) for one in found} == {
        (TIME_STAMP, zipfile.ZIP_STORED, PERMISSIONS)
    }


def test_the_manifest_has_hash_and_size_of_every_file_and_says_what_the_runs_are_about(run, packed):
    held = entries(packed)
    manifest = json.loads(held.pop("bundle.json"))
    assert manifest["files"] == {
        name: {"sha256": sha256(data), "bytes": len(data)} for name, data in sorted(held.items())
    }
    record = read_json(run / "record.json")
    assert [(one["data"], one["split"]) for one in manifest["runs"]] == [
        (record["data"]["annotation_hash"], record["data"]["split_hash"])
    ]


def test_a_bundle_of_honest_runs_is_equal_in_every_number(vis_bench, packed, squares):
    code, out, _ = vis_bench("verify-bundle", packed, "--json")
    assert code == 0
    numbers = json.loads(out)["numbers"]
    assert {"name", "claimed", "found", "verdict"} == set(numbers[0])
    assert {one["verdict"] for one in numbers} == {"equal"}
    by_name = {one["name"]: one for one in numbers}
    # half of the objects are found, without an error
    ap = by_name["stc@default seed 0: video_ap.AR10"]
    assert ap["claimed"] == ap["found"] == pytest.approx(0.5)
    code, out, _ = vis_bench("verify-bundle", packed, "--truth", squares / "val" / "instances_val.json")
    assert code == 0
    assert f"all {len(numbers)} numbers equal" in out


def test_a_changed_metric_is_named_and_nothing_else(vis_bench, run, tmp_path):
    metrics = read_json(run / "record.json")["metrics"]
    metrics["video_ap"]["AP50"] += 0.125
    changed(run, metrics=metrics)
    file = bundle([run], tmp_path / "x.vis.zip").path
    code, out, _ = vis_bench("verify-bundle", file, "--json")
    differing = [one for one in json.loads(out)["numbers"] if one["verdict"] == "differs"]
    assert code == 1
    assert [one["name"] for one in differing] == ["stc@default seed 0: video_ap.AP50"]
    assert differing[0]["claimed"] - differing[0]["found"] == pytest.approx(0.125)
    code, out, _ = vis_bench("verify-bundle", file)
    assert code == 1
    assert "video_ap.AP50: claimed" in out


def test_a_changed_prediction_is_found_by_its_numbers(run, tmp_path):
    tracks = read_json(run / "predictions.json.gz")
    tracks[0]["segmentations"] = [None] * len(tracks[0]["segmentations"])
    write_json(run / "predictions.json.gz", tracks)
    found = verify_bundle(bundle([run], tmp_path / "x.vis.zip").path)
    assert found.exit_code == 1
    names = {number.name for number in found.differing}
    assert "stc@default seed 0: video_ap.AP" in names
    assert "differs" in verification_text(found)


def test_a_number_that_was_made_up_is_no_number_that_was_found(run, tmp_path):
    metrics = read_json(run / "record.json")["metrics"]
    metrics["video_ap"]["AP99"] = 1.0
    changed(run, metrics=metrics)
    (number,) = verify_bundle(bundle([run], tmp_path / "x.vis.zip").path).differing
    assert (number.name, number.found) == ("stc@default seed 0: video_ap.AP99", "not computed")


@pytest.mark.parametrize(
    ("fields", "name", "claimed", "found"),
    [
        ({"online": True, "look_ahead_frames": 2}, "look-ahead in frames (on-line)", 0, 2),
        # masktrack_rcnn caps the tracks of a frame by this value
        (
            {"method": "masktrack_rcnn", "config_values": {"detections_per_frame": 0}},
            "tracks of a frame, at most",
            0,
            1,
        ),
    ],
)
def test_claims_beside_the_numbers(run, tmp_path, fields, name, claimed, found):
    changed(run, **fields)
    (number,) = verify_bundle(bundle([run], tmp_path / "x.vis.zip").path).differing
    assert number.name.partition(": ")[2] == name
    assert (number.claimed, number.found) == (claimed, found)


def test_other_truth_is_5_and_no_truth_is_3(vis_bench, packed, squares, tmp_path):
    content = read_json(squares / "val" / "instances_val.json")
    content["info"] = {"other": "annotations"}
    write_json(tmp_path / "other.json", content)
    code, _, err = vis_bench("verify-bundle", packed, "--truth", tmp_path / "other.json")
    assert code == 5
    assert "its annotations have the hash" in err
    code, _, err = vis_bench("verify-bundle", packed, "--truth", tmp_path / "absent.json")
    assert code == 3
    (squares / "val" / "instances_val.json").unlink()
    code, _, err = vis_bench("verify-bundle", packed)
    assert code == 3
    assert "--truth" in err


def test_other_videos_are_other_data(packed, squares, tmp_path):
    truth = read_dataset(squares / "train" / "instances_train.json", None, "squares", "val")
    assert len(truth.videos) == 3
    with pytest.raises(NotComparableError):
        verify_bundle(packed, squares / "train" / "instances_train.json")


def test_hidden_truth_that_its_owner_has_gives_numbers_that_nobody_claimed(run, squares, tmp_path):
    changed(run, status="not scored", metrics=None)
    file = bundle([run], tmp_path / "x.vis.zip").path
    found = verify_bundle(file, squares / "val" / "instances_val.json")
    scores = [one for one in found.numbers if ": video_ap." in one.name]
    assert {one.verdict for one in scores} == {"not claimed"}
    assert found.exit_code == 0
    assert "claims no numbers" in verification_text(found)


@pytest.mark.parametrize("place", [0, 40, 0.3, 0.5, 0.9, -1, -30])
def test_a_flipped_byte_is_damage(packed, place):
    data = bytearray(packed.read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 0x20
    packed.write_bytes(bytes(data))
    with pytest.raises(DataError, match=packed.name):
        verify_bundle(packed)


def test_a_cut_bundle_and_what_is_none(packed, tmp_path):
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"is no whole bundle"):
        verify_bundle(packed)
    with pytest.raises(DataError, match=r"no such file"):
        verify_bundle(tmp_path / "absent.vis.zip")


def rezipped(path, content, kind=zipfile.ZIP_STORED, mode=PERMISSIONS, comment=b""):
    """A zip of these (name, bytes) as any zip program could write it."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in content:
            entry = zipfile.ZipInfo(name, TIME_STAMP)
            entry.external_attr, entry.create_system, entry.compress_type = mode, 3, kind
            archive.writestr(entry, data)
        archive.comment = comment


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("extra", "options", "said"),
    [
        ([("../slipped", b"x")], {}, "no name of a bundle"),
        ([("runs/../../slipped", b"x")], {}, "no name of a bundle"),
        ([("/tmp/slipped", b"x")], {}, "no name of a bundle"),
        ([("runs\\..\\slipped", b"x")], {}, "no name of a bundle"),
        ([("runs/a/.hidden", b"x")], {}, "no name of a bundle"),
        ([("runs/<script>/x", b"x")], {}, "no name of a bundle"),
        ([("runs/a/", b"")], {}, "no name of a bundle"),
        ([("bundle.json", b"{}")], {}, "more than once"),
        ([("BUNDLE.json", b"{}")], {}, "more than once"),
        ([("runs/a/x", b"/etc/passwd")], {"mode": (stat.S_IFLNK | 0o777) << 16}, "no plain file"),
        ([("runs/a/x", b"0" * 10_000_000)], {"kind": zipfile.ZIP_DEFLATED}, "is compressed"),
        ([("runs/a/x", b"x")], {}, "does not name"),
        ([], {"comment": b"hello"}, "more than its entries"),
    ],
)
def test_hostile_zips_are_refused_and_leave_nothing(packed, tmp_path, extra, options, said):
    held = list(entries(packed).items())
    hostile = tmp_path / "given" / "hostile.vis.zip"
    hostile.parent.mkdir()
    rezipped(hostile, sorted(held + extra, key=lambda pair: pair[0]), **options)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=said), open_bundle(hostile):
        pass
    assert set(tmp_path.rglob("*")) == before
    assert not any(path.name == "slipped" for path in tmp_path.parent.iterdir())


def test_text_before_a_zip_and_another_order_are_another_file(packed, tmp_path):
    hostile = tmp_path / "hostile.vis.zip"
    hostile.write_bytes(b"#!/bin/sh\n" + packed.read_bytes())
    with pytest.raises(DataError):
        verify_bundle(hostile)
    rezipped(hostile, reversed(list(entries(packed).items())))
    with pytest.raises(DataError, match="another form"):
        verify_bundle(hostile)


def test_a_bomb_of_gzip_is_found_before_it_fills_the_memory(packed, tmp_path):
    held = entries(packed)
    name = next(name for name in held if name.endswith("gz"))
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        for _ in range(100):
            file.write(b" " * 2**20)
    _put(held, name, buffer.getvalue())
    write_archive(tmp_path / "bomb.vis.zip", held)
    with pytest.raises(DataError, match="a bomb"):
        verify_bundle(tmp_path / "bomb.vis.zip")


def _put(held, name, data):
    """Change a file of a bundle together with what the manifest says of it."""
    manifest = json.loads(held["bundle.json"])
    manifest["files"][name] = {"sha256": sha256(data), "bytes": len(data)}
    held[name] = data
    held["bundle.json"] = json.dumps(manifest).encode()


def test_a_missing_file_is_named_and_so_is_a_manifest_that_says_something_else(packed, tmp_path):
    held = entries(packed)
    name = next(name for name in held if name.endswith("gz"))
    file = tmp_path / "less.vis.zip"
    write_archive(file, {key: data for key, data in held.items() if key != name})
    with pytest.raises(DataError, match=r"predictions\.json\.gz is missing"):
        verify_bundle(file)
    record = json.loads(held["runs/" + name.split("/")[1] + "/record.json"])
    record["data"]["annotation_hash"] = "0" * 64
    _put(held, f"runs/{name.split('/')[1]}/record.json", json.dumps(record).encode())
    write_archive(file, held)
    with pytest.raises(DataError, match="something else of runs/"):
        verify_bundle(file)


def test_errors_in_a_bundle_name_the_bundle_and_not_where_it_is_unpacked(packed, tmp_path):
    held = entries(packed)
    name = next(name for name in held if name.endswith("record.json"))
    _put(held, name, b"{broken")
    write_archive(tmp_path / "x.vis.zip", held)
    with pytest.raises(DataError) as error:
        verify_bundle(tmp_path / "x.vis.zip")
    assert f"x.vis.zip: {name}: not valid JSON" in str(error.value)


def test_what_cannot_be_packed(run, tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.vis\.zip"):
        bundle([run], tmp_path / "x.zip")
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(UsageError, match="given twice"):
        bundle([run, tmp_path / "copy"], tmp_path / "x.vis.zip")
    with pytest.raises(DataError, match=r"has no checkpoint\.safetensors"):
        bundle([run], tmp_path / "x.vis.zip", weights=True)
    (run / "predictions.json.gz").unlink()
    with pytest.raises(DataError, match=r"has no predictions\.json\.gz"):
        bundle([run], tmp_path / "x.vis.zip")
    changed(run, status="failed", metrics=None, error="broke")
    with pytest.raises(UsageError, match="failed \\(broke\\)"):
        bundle([run], tmp_path / "x.vis.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no record\.json"):
        bundle([tmp_path / "empty"], tmp_path / "x.vis.zip")
    assert not (tmp_path / "x.vis.zip").exists()
    assert MOST_ENTRY_BYTES < 2**31


def test_weights_are_those_of_the_record(run, tmp_path):
    (run / "checkpoint.safetensors").write_bytes(b"weights")
    changed(run, checkpoint_hash=sha256(b"weights"))
    found = bundle([run], tmp_path / "x.vis.zip", weights=True)
    assert verify_bundle(found.path).exit_code == 0
    changed(run, checkpoint_hash=sha256(b"others"))
    bundle([run], tmp_path / "x.vis.zip", weights=True)
    with pytest.raises(DataError, match="not the weights that the record names"):
        verify_bundle(tmp_path / "x.vis.zip")


def test_a_signature_names_who_signed_and_a_changed_manifest_is_found(run, tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key, other = tmp_path / "key", tmp_path / "other"
    for one in (key, other):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", one], check=True)
    signed = bundle([run], tmp_path / "x.vis.zip", sign_with=key).path
    again = bundle([run], tmp_path / "y.vis.zip", sign_with=key).path
    assert signed.read_bytes() == again.read_bytes()
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    assert verify_bundle(signed, signers=signers).signature == "signed by ada@example.org"
    assert "not known here" in verify_bundle(signed).signature
    signers.write_text(f"bob@example.org {other.with_suffix('.pub').read_text()}")
    with pytest.raises(DataError, match="signed by nobody in"):
        verify_bundle(signed, signers=signers)
    held = entries(signed)
    held["bundle.json"] = held["bundle.json"].replace(b'"note": ""', b'"note": "changed"')
    write_archive(tmp_path / "z.vis.zip", held)
    with pytest.raises(DataError, match="does not fit its manifest"):
        verify_bundle(tmp_path / "z.vis.zip")
    with pytest.raises(DataError, match="is not signed"):
        verify_bundle(bundle([run], tmp_path / "w.vis.zip").path, signers=signers)


def test_signing_without_the_tool_is_one_clear_error(vis_bench, run, tmp_path, monkeypatch):
    monkeypatch.setattr(signature.shutil, "which", lambda name: None)
    code, _, err = vis_bench("bundle", run, "-o", tmp_path / "x.vis.zip", "--sign", tmp_path / "key")
    assert code == 2
    assert "needs ssh-keygen" in err
    assert "Install OpenSSH" in err


def test_a_name_of_a_stranger_cannot_write_to_the_terminal(vis_bench, run, tmp_path):
    changed(run, method="\u001b]0;owned\u0007<script>")
    file = bundle([run], tmp_path / "x.vis.zip").path
    code, out, _ = vis_bench("verify-bundle", file)
    assert code == 0
    assert "\u001b" not in out
