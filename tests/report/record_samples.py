"""Records as `vis-bench run` writes them, small enough to work out tables by hand."""

from __future__ import annotations

from typing import Any

AP_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
MOT_FRACTIONS = ("IDF1", "IDP", "IDR", "MOTA", "recall")
HOTA_FRACTIONS = ("HOTA", "DetA", "AssA", "LocA")
POINT = {"thresholds": [0.35], "metric": "IDF1", "source": "val"}
MOT_COUNTS = ("IDs", "FP", "FN", "MT", "ML", "Frag")


def _metrics(ap: float | None, id_switches: int) -> dict[str, Any]:
    video_ap: dict[str, Any] = dict.fromkeys(AP_NAMES, ap)
    counts = dict.fromkeys(MOT_COUNTS, 7)
    # other numbers than at the operating point: whoever reads the wrong ones is noticed
    mot = dict.fromkeys(MOT_FRACTIONS, 0.5) | counts | {"IDs": max(0, id_switches - 1)}
    point = dict.fromkeys(MOT_FRACTIONS, 0.625) | counts | {"IDs": id_switches}
    thresholds = dict.fromkeys(("0.0", "0.1", "0.3", "0.5"), mot)
    return {
        "video_ap": video_ap,
        "per_category": {"disc": video_ap, "a|b_c": dict.fromkeys(AP_NAMES)},
        "frame_ap": {"AP": 0.6, "AP50": 0.8},
        "mot": {"class_agnostic": thresholds, "class_aware": thresholds},
        "hota": {"class_agnostic": {"0.3": dict.fromkeys(HOTA_FRACTIONS, 0.25)}},
        "operating_point": POINT | {"mot": point, "hota": dict.fromkeys(HOTA_FRACTIONS, 0.375)},
        "duplicates_per_100": {"operating_point": 5.46, "0.05": 66.125},
    }


def make_record(
    method: str = "stc", ap: float | None = 0.3, seed: int = 0, switches: int = 4, **fields: Any
) -> dict[str, Any]:
    """One record; `ap` fills every video AP and AR, `switches` is the number of identity switches at the
    operating point; above fixed scores there is one less.

    Keywords replace fields of the record.
    """
    status = fields.get("status", "done")
    data = {"name": "shapes", "split": "test", "annotation_hash": "a", "split_hash": "s", "videos": 60}
    train_data = {
        "name": "shapes",
        "split": "train",
        "annotation_hash": "b",
        "split_hash": "t",
        "videos": 500,
    }
    record: dict[str, Any] = {
        "schema_version": 1,
        "vis_bench_version": "0.1.0",
        "run_hash": "r",
        "method": method,
        "config": "tiny",
        "title": method.upper(),
        "paradigm": "tracking by detection",
        "online": True,
        "paper": "a paper",
        "licence": "Apache-2.0",
        "config_values": {},
        "overrides": {},
        "dataset": "shapes",
        "split": "test",
        "data": data,
        "train_data": train_data,
        "protocol": "hand-made",
        "protocol_hash": "0123456789abcdef",
        "not_from_a_paper": "a shared pretraining",
        "seed": seed,
        "axis_seeds": {},
        "iou_type": "segm",
        "status": status,
        "error": None,
        "metrics": _metrics(ap, switches) if status == "done" else None,
        "operating_point": POINT if status == "done" else None,
        "timing": {"train_seconds": 90.0, "track_seconds": 12.0, "frames": 960},
        "look_ahead_frames": 0,
        "parameters": {"total": 1_200_000, "trainable": 1_100_000},
        "hardware": {"device": "cpu", "cpu": "Example CPU", "threads_per_job": 1},
        "versions": {"numpy": "2.0"},
        "notes": [],
    }
    return record | fields
