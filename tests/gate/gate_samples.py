"""Run directories made without training: true masks moved by a few pixels, and a patch that is no object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.frame_predictions import read_frames
from vis_bench.data.predictions import write_results
from vis_bench.engine.frame_store import FrameStore
from vis_bench.engine.opened_data import identity
from vis_bench.masks.rle import decode, encode, tight_box
from vis_bench.method import FrameResult, RawDetections
from vis_bench.records.run import OperatingPoint, Record, write_record
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.operating_point import placed
from vis_bench.scoring.reassociate import Rule, reassociate
from vis_bench.setup.config import override, to_dict
from vis_bench.setup.plugins import load_spec
from vis_bench.types import Dataset, TruthTrack

WEAK = 0.02


def frame(truth: TruthTrack, index: int, down: int, same: bool) -> RawDetections:
    """Two detections of a class: the object moved down by `down` pixels, and a patch in the corner.

    same: the order of the two; they look nearly alike, so that their boxes tell them apart.
    """
    mask = np.roll(decode(truth.segmentations[index]), down, axis=0)
    patch = np.zeros_like(mask)
    patch[-3:, -3:] = True
    order = [0, 1] if same else [1, 0]
    masks = [[encode(mask), encode(patch)][i] for i in order]
    boxes = [(x, y, x + w, y + h) for x, y, w, h in map(tight_box, masks)]
    return RawDetections(
        np.array([(0.9, 0.6)[i] for i in order]),
        np.zeros(2, dtype=np.int64),
        np.array(boxes),
        np.array([(WEAK, 0.0), (0.0, WEAK)]),
        tuple(masks),
    )


def make_run(
    folder: Path,
    dataset: Dataset,
    seed: int = 0,
    down: Mapping[int, int] | int = 0,
    overrides: Mapping[str, str] | None = None,
    protocol_hash: str = "p",
    above: float | None = None,
) -> Path:
    """A run of stc@tiny as `vis-bench run --keep-frames` leaves it. down: per video id, or for all. above:
    the operating point, as chosen on val; None leaves a record from before there was one.
    """
    folder.mkdir(parents=True)
    store = FrameStore(folder, dataset, "segm")
    for video in dataset.videos:
        (truth,) = dataset.tracks_by_video[video.id]
        pixels = down if isinstance(down, int) else down[video.id]
        frames = [frame(truth, t, pixels, same=t % 2 == 0) for t in range(video.length)]
        store.append(video, [FrameResult(t, (), one) for t, one in enumerate(frames)])
    store.finish()
    spec = load_spec("stc")
    config = override(spec.configs["tiny"], overrides or {})
    frames = read_frames(folder / "frames.jsonl.gz", dataset)
    tracks = reassociate(Rule("stc", spec, config), frames, dataset)
    write_results(folder / "predictions.json.gz", tracks)
    info = spec.info
    at = None if above is None else placed((above,), "val", dataset)
    write_record(
        folder,
        Record(
            vis_bench_version="0", run_hash="r", method="stc", config="tiny", title=info.title,
            paradigm=info.paradigm, online=True, paper=info.paper, licence=info.licence,
            config_values=to_dict(config), overrides=dict(overrides or {}), dataset=dataset.name,
            split=dataset.split, data=identity(dataset), train_data=None, protocol="shapes",
            protocol_hash=protocol_hash, seed=seed, axis_seeds={}, status="done",
            metrics=evaluate(dataset, tracks, at=at),
            operating_point=None if at is None else OperatingPoint(**at.head()),
        ),
    )  # fmt: skip
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def seeds(tmp_path: Path, dataset: Dataset, name: str, downs: Sequence[Any], **more: Any) -> list[Path]:
    """One run per entry of `downs`, with the seeds 0, 1, ..."""
    return [
        make_run(tmp_path / name / f"seed{seed}", dataset, seed, down, **more)
        for seed, down in enumerate(downs)
    ]
