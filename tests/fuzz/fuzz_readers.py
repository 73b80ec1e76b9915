"""Every reader of files of strangers: a valid sample for each, and how it is read."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vis_bench.masks.rle import encode

ROOT = Path(__file__).parents[2]
SIZE = (12, 20)


def _rle(top: int, left: int) -> dict[str, Any]:
    mask = np.zeros(SIZE, bool)
    mask[top : top + 4, left : left + 6] = True
    found = encode(mask)
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


def truth_content() -> dict[str, Any]:
    """Two videos of three frames, two classes, three objects; one of them a crowd, one given by polygons."""
    videos = [
        {
            "id": n,
            "width": 20,
            "height": 12,
            "length": 3,
            "file_names": [f"v{n}/{t:05d}.jpg" for t in range(3)],
        }
        for n in (1, 2)
    ]
    masks = [_rle(2, 3), None, _rle(4, 5)]
    boxes = [[3, 2, 6, 4], None, [5, 4, 6, 4]]
    polygons = [[[1.0, 1.0, 9.0, 1.0, 9.0, 8.0]], None, None]
    occlusion = ["no_occlusion", None, "slight_occlusion"]
    common = {"bboxes": boxes, "areas": [24, None, 24], "occlusion": occlusion}
    annotations = [
        {"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0, "segmentations": masks, **common},
        {"id": 2, "video_id": 1, "category_id": 2, "iscrowd": 1, "segmentations": masks, **common},
        {"id": 3, "video_id": 2, "category_id": 2, "iscrowd": 0, "segmentations": polygons},
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]
    return {"info": {}, "videos": videos, "categories": categories, "annotations": annotations}


def results_content() -> list[dict[str, Any]]:
    """Three tracks, one of them of boxes as well."""
    masks = [_rle(2, 3), None, _rle(4, 5)]
    track = {"video_id": 1, "category_id": 1, "score": 0.75, "segmentations": masks}
    boxes = [[3, 2, 6, 4], None, [5, 4, 6, 4]]
    return [track, {**track, "video_id": 2, "category_id": 2}, {**track, "score": 0.5, "bboxes": boxes}]


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _reference(folder: Path) -> Path:
    path = folder.parent / "reference.json"
    if not path.exists():
        _write(path, truth_content())
    return path


@dataclass(frozen=True, slots=True)
class Reader:
    """make: writes a valid sample to a path (a file, or a folder). read: reads it, and gives numbers that are
    to be looked at, or None. name: of the sample. codes: exit codes that its errors may have."""

    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    name: str = "sample.json"
    codes: tuple[int, ...] = (3,)


def _read_annotations(path: Path) -> None:
    from vis_bench.data.stats import dataset_stats
    from vis_bench.data.validate import verify
    from vis_bench.data.ytvis import read_dataset

    found = read_dataset(path, None, "mine", "val")
    dataset_stats(found)
    verify(found, check_frames=False)


def _read_store(path: Path) -> None:
    from vis_bench.data import stored

    stored.WORTH_BYTES = 1
    found = stored.open_annotations(path, None, "mine", "val", path.parent / "cache")
    for tracks in found.tracks_by_video.values():
        len(tracks)


def _read_packed(path: Path) -> None:
    """The store itself is damaged: it is set aside, and made again."""
    from vis_bench.data import stored
    from vis_bench.data.store.packed import DamagedStoreError, open_packed

    stored.WORTH_BYTES = 1
    try:
        open_packed(path)
    except DamagedStoreError:
        return
    (made,) = (path.parent / "whole" / "annotations").glob("*.store")
    shutil.copy(path, made)
    found = stored.open_annotations(_reference(path), None, "mine", "val", path.parent / "whole")
    for tracks in found.tracks_by_video.values():
        len(tracks)


def _make_packed(path: Path) -> None:
    from vis_bench.data import stored

    stored.WORTH_BYTES = 1
    stored.open_annotations(_reference(path), None, "mine", "val", path.parent / "whole")
    (made,) = (path.parent / "whole" / "annotations").glob("*.store")
    shutil.copy(made, path)


def _score(path: Path, truth: Path, iou_type: str = "segm") -> Any:
    from vis_bench.scoring.files import evaluate

    return evaluate(path, truth, metrics="ap,mot,hota", iou_type=iou_type)


def _read_results(path: Path) -> Any:
    return _score(path, _reference(path))


def _converted(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        from vis_bench.integrations.formats.convert import convert

        content = truth_content()
        content["videos"], content["annotations"] = content["videos"][:1], content["annotations"][:1]
        if name != "davis":
            _write(path.parent / f"{name}-source.json", content)
        else:
            _write(path.parent / f"{name}-source.json", truth_content())
        if path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        convert(path.parent / f"{name}-source.json", path, target_format=name)

    return make


def _read_format(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from vis_bench.integrations.formats.content import as_dataset, as_tracks
        from vis_bench.integrations.formats.opened import find

        found = find(path)
        content = found.content()
        as_dataset(content, "x", "y", "")
        as_tracks(content)
        return _score(path, path, "bbox") if name == "mot" else _score(path, path)

    return read


def _make_frames(path: Path) -> None:
    from vis_bench.data.frame_predictions import frame_record, header_record
    from vis_bench.data.ytvis import read_dataset
    from vis_bench.method import RawDetections

    dataset = read_dataset(_reference(path), None, "mine", "val")
    found = RawDetections(
        np.array([0.5, 0.25]),
        np.array([0, 1]),
        np.array([[3.0, 2, 9, 6], [0, 0, 1, 1]]),
        np.array([[1.0, 2], [3, 4]]),
        ({"size": [12, 20], "counts": _rle(2, 3)["counts"].encode()}, None),
    )
    lines = [header_record(dataset, "segm")]
    for video in dataset.videos:
        frames = [frame_record(found, "x") for _ in range(video.length)]
        lines.append({"video_id": video.id, "name": video.name, "frames": frames})
    path.write_bytes("".join(json.dumps(line) + "\n" for line in lines).encode())


def _read_frames(path: Path) -> None:
    from vis_bench.data.frame_predictions import read_frames
    from vis_bench.data.ytvis import read_dataset

    read_frames(path, read_dataset(_reference(path), None, "mine", "val"))


def _copy(pattern: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        source = sorted(ROOT.glob(pattern))[0]
        shutil.copytree(source, path, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, path)

    return make


def _make_remembered(path: Path) -> None:
    from vis_bench.data.catalog import open_dataset
    from vis_bench.data.remembered_truth import remember_truth

    truth = _reference(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remember_truth(path.parent, truth, open_dataset(truth))


def _read_remembered(path: Path) -> None:
    from vis_bench.data.remembered_truth import open_truth_beside

    open_truth_beside(path.with_name("predictions.json.gz"))


def _make_kept_protocol(path: Path) -> None:
    from vis_bench.records.protocols import keep_protocol
    from vis_bench.setup.protocol import load_protocol

    path.parent.mkdir(parents=True, exist_ok=True)
    keep_protocol([path.parent], load_protocol("shapes").model_copy(update={"name": "mine"}))


def _read_kept_protocol(path: Path) -> None:
    from vis_bench.records.protocols import known_protocols

    known_protocols([path.parent])


def _read_record(path: Path) -> Any:
    from vis_bench.records.run import read_record
    from vis_bench.report.terminal.comparison_table import comparison_table

    record = read_record(path).model_dump(mode="json")
    comparison_table([record])
    return record["metrics"]


def _read_speed(path: Path) -> None:
    from vis_bench.records.speed import read_speed
    from vis_bench.report.speed.table import speed_table

    speed_table([read_speed(path)])


def _read_baseline(path: Path) -> None:
    from vis_bench.gate.baseline import read_baseline

    read_baseline(path)


def _read_protocol(path: Path) -> None:
    from vis_bench.setup.protocol import load_protocol

    load_protocol(str(path)).content_hash()


def _read_settings(path: Path) -> None:
    """A line for each --set, as the command line has them."""
    from vis_bench.setup.config import override, parse_assignment, to_dict
    from vis_bench.setup.plugins import load_spec
    from vis_bench.setup.train_ranges import require_trainable

    config = load_spec("stc").configs["tiny"]
    for line in path.read_bytes().decode(errors="surrogateescape").splitlines():
        config = override(config, dict([parse_assignment(line)]))
    to_dict(config)
    require_trainable(config, "stc")


def _make_settings(path: Path) -> None:
    lines = ("train.lr=1e-3", "train.iterations=10", "train.lr_steps=1,2", "train.schedule=cosine")
    path.write_text("\n".join((*lines, "train.augmentation.crop=0.5,0.5", "backbone.checkpoint=true")))


def _make_weights(path: Path) -> None:
    import pickle

    import torch
    from safetensors.torch import save_file

    state = {"a.weight": torch.ones(4, 3), "a.bias": torch.zeros(4)}
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps({name: value.numpy() for name, value in state.items()}))
    elif path.suffix == ".pth":
        torch.save({"model": state}, path)
    else:
        save_file(state, path, {"format": "pt"})


def _read_weights(path: Path) -> None:
    import torch

    from vis_bench.method import StartRules
    from vis_bench.weights.files import read_weights
    from vis_bench.weights.start import load_start

    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 4)})
    found = read_weights(path)
    load_start(model, found.state, StartRules(), source=str(path), sha256=found.sha256)
    assert all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())


def _make_image(path: Path) -> None:
    values = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
    Image.fromarray(values).save(path)


def _read_image(path: Path) -> None:
    from vis_bench.data.frames import load_frame

    assert load_frame(path.parent, path.name, SIZE).shape == (*SIZE, 3)


def _make_resume(path: Path) -> None:
    import torch

    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = {"trained": model.state_dict(), "optimizer": optimizer.state_dict(), "average": None}
    torch.save({**state, "scaler": {}, "phase": 0, "iteration": 3, "seconds": 1.0}, path)


def _read_resume(path: Path) -> None:
    import torch

    from vis_bench.engine.training.state import read_resume, restore

    class Stepper:
        average = None

    if path.name != "resume.pt":
        shutil.copy(path, path.parent / "resume.pt")
    model = torch.nn.Linear(3, 4)
    stepper: Any = Stepper()
    stepper.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = read_resume(path.parent)
    assert state is not None
    restore(state, model, stepper, path.parent)


def _read_partial(path: Path) -> None:
    from vis_bench.data.ytvis import read_dataset
    from vis_bench.engine.track import _read_partial as read

    read(path, read_dataset(_reference(path), None, "mine", "val"))


def _make_partial(path: Path) -> None:
    entry = {"video_id": 1, "look_ahead_frames": 0, "seconds": 0.5, "tracks": results_content()[:1]}
    path.write_text("".join(json.dumps({**entry, "video_id": n}) + "\n" for n in (1, 2)))


def _make_bundle(path: Path) -> None:
    """A bundle of one run about the reference."""
    from vis_bench.bundles.pack import bundle
    from vis_bench.data.predictions import parse_results, write_results
    from vis_bench.data.ytvis import read_dataset
    from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, DataIdentity, read_record, write_record
    from vis_bench.scoring.evaluate import evaluate

    truth = read_dataset(_reference(path), None, "mine", "val")
    tracks = parse_results(results_content(), truth, "results")
    record = read_record(sorted(ROOT.glob(f"results/study/main/stc*/{RECORD_NAME}"))[0])
    hashes = {"annotation_hash": truth.annotation_hash, "split_hash": truth.split_hash}
    changes = {
        "dataset": "mine",
        "split": "val",
        "metrics": evaluate(truth, tracks),
        "operating_point": None,
        "data": DataIdentity(name="mine", split="val", videos=2, **hashes),
    }
    folder = path.parent / "run"
    write_record(folder, record.model_copy(update=changes))
    write_results(folder / PREDICTIONS_NAME, tracks)
    bundle([folder], path)
    shutil.rmtree(folder)


def _read_bundle(path: Path) -> None:
    from vis_bench.bundles.verify import verification_text, verify_bundle

    verification_text(verify_bundle(path, _reference(path)))


def _make_bundle_folder(path: Path) -> None:
    """The entries of a bundle as files, to be changed one by one."""
    import zipfile

    file = path.parent / "one.vis.zip"
    _make_bundle(file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(path)
    file.unlink()
    for packed in path.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()


def _read_bundle_folder(path: Path) -> None:
    """Packed again by one who renews the hashes: what is inside is all that is wrong."""
    from vis_bench.bundles.archive import write_archive
    from vis_bench.files import sha256

    held = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    for name in [name for name in held if name.endswith("predictions.json")]:
        held[f"{name}.gz"] = gzip.compress(held.pop(name), mtime=0)
    try:
        manifest = json.loads(held["bundle.json"])
        for name, data in held.items():
            if name in manifest["files"]:
                manifest["files"][name] = {"sha256": sha256(data), "bytes": len(data)}
        held["bundle.json"] = json.dumps(manifest).encode(errors="surrogatepass")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # the manifest itself is what was changed
    file = path.parent / "again.vis.zip"
    write_archive(file, held)
    _read_bundle(file)


READERS: dict[str, Reader] = {
    "annotations": Reader(lambda path: _write(path, truth_content()), _read_annotations),
    "annotations, gzip": Reader(
        lambda path: path.write_bytes(gzip.compress(json.dumps(truth_content()).encode())) and None,
        _read_annotations,
        "sample.json.gz",
    ),
    "annotations, through a store": Reader(lambda path: _write(path, truth_content()), _read_store),
    "packed store": Reader(_make_packed, _read_packed, "sample.store"),
    "predictions": Reader(lambda path: _write(path, results_content()), _read_results),
    **{
        name: Reader(_converted(name), _read_format(name), f"{name}{suffix}")
        for name, suffix in {
            **dict.fromkeys(("coco-video", "tao", "burst"), ".json"),
            **dict.fromkeys(("mots-txt", "mots-png", "davis", "sav", "mot"), ""),
            "cvat": ".xml",
        }.items()
    },
    "frames store": Reader(_make_frames, _read_frames, "frames.jsonl"),
    "records": Reader(_copy("results/study/main/*/record.json"), _read_record),
    "remembered truth": Reader(_make_remembered, _read_remembered, "truth_place.json"),
    "kept protocols": Reader(_make_kept_protocol, _read_kept_protocol, "protocol.json"),
    "speed records": Reader(_copy("results/speed*/**/*.speed.json"), _read_speed, "x.speed.json"),
    "baselines": Reader(_copy("tests/gate/baseline"), _read_baseline, "baseline"),
    "protocols": Reader(_copy("protocols/shapes.toml"), _read_protocol, "p.toml", (2, 3)),
    "--set": Reader(_make_settings, _read_settings, "settings.txt", (2,)),
    "safetensors": Reader(_make_weights, _read_weights, "w.safetensors", (3, 4)),
    "torch files": Reader(_make_weights, _read_weights, "w.pth", (3, 4)),
    "pickles": Reader(_make_weights, _read_weights, "w.pkl", (3, 4)),
    "JPEG": Reader(_make_image, _read_image, "x.jpg"),
    "PNG": Reader(_make_image, _read_image, "x.png"),
    "resume files": Reader(_make_resume, _read_resume, "resume.pt"),
    "bundles": Reader(_make_bundle, _read_bundle, "one.vis.zip"),
    # other data, where what they are about was changed
    "bundles, inside": Reader(_make_bundle_folder, _read_bundle_folder, "entries", (3, 5)),
    "kept predictions": Reader(_make_partial, _read_partial, "predictions.partial.jsonl"),
}
