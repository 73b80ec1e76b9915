"""One way of scoring a results file, alone in this process: prints CPU seconds, memory and scores as JSON.

    python scoring_cost.py WAY TRUTH RESULTS

Ways: ours-ap, ours-frame-ap, ours-all, trackeval-ap, trackeval-all, motmetrics, official-ap,
hotcoco-frame-ap. Time is CPU time of everything from the files on, imports included; `ours` is the command
line. VIS_BENCH_FAST=0 keeps it to Python, NumPy and pycocotools, as on a machine without a C compiler;
SCORING_WITHOUT_ORJSON keeps it to the kernels, as without the extra `fast`. hotcoco-frame-ap reads what
`official_size.write_frames` wrote, with the package of this name. official-ap needs VIS_BENCH_OFFICIAL, the
folder PythonAPI/pycocotools of a checkout of youtubevos/cocoapi.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from official_size import frame_files


def ours(truth: Path, results: Path, metrics: str) -> dict[str, float]:
    """The command line, from its imports to its last line, with one process."""
    if "SCORING_WITHOUT_ORJSON" in os.environ:
        sys.modules["orjson"] = None  # type: ignore[assignment]  # cannot be found from here on
    from vis_bench.cli import main as command_line

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "metrics.json"
        sys.argv = ["vis-bench", "eval", str(results), "--truth", str(truth), "--jobs", "1"]
        sys.argv += ["--metrics", metrics, "--json", str(target)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            command_line()
        found = json.loads(target.read_text(encoding="utf-8"))
    scores = {"AP": found["video_ap" if "video_ap" in found else "frame_ap"]["AP"]}
    if "mot" in found:
        scores["IDF1"] = found["mot"]["class_agnostic"]["0.0"]["IDF1"]
        scores["HOTA"] = found["hota"]["class_aware"]["all"]["HOTA"]
    return scores


def with_hotcoco(truth: Path, results: Path) -> dict[str, float]:
    """Frame AP of the same masks as images of COCO (`official_size.write_frames`), on one thread."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    import hotcoco

    truth_file, results_file = frame_files(truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = hotcoco.COCO(str(truth_file))
        judge = hotcoco.COCOeval(annotations, annotations.load_res(str(results_file)), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {"AP": float(judge.stats[0])}


def with_trackeval(truth: Path, results: Path, all_metrics: bool) -> dict[str, float]:
    import numpy as np
    import trackeval

    class CompressedTruth(trackeval.datasets.YouTubeVIS):
        """TrackEval converts uncompressed truth; here it is compressed already, which saves it that time."""

        def _prepare_gt_annotations(self) -> None:
            for track in self.gt_data["annotations"]:
                areas = [area for area in track["areas"] if area]
                track["area"] = np.mean(areas) if areas else 0

    with tempfile.TemporaryDirectory() as folder:
        gt = Path(folder) / "gt" / "youtube_vis_val"
        found = Path(folder) / "trackers" / "youtube_vis_val" / "method" / "data"
        gt.mkdir(parents=True)
        found.mkdir(parents=True)
        (gt / "truth.json").symlink_to(truth.resolve())
        (found / "results.json").symlink_to(results.resolve())
        quiet = {"PRINT_CONFIG": False, "PRINT_RESULTS": False, "TIME_PROGRESS": False}
        quiet |= {
            "OUTPUT_SUMMARY": False,
            "OUTPUT_DETAILED": False,
            "PLOT_CURVES": False,
            "LOG_ON_ERROR": None,
        }
        places = {
            "GT_FOLDER": f"{gt.parent}/",
            "TRACKERS_FOLDER": f"{found.parents[2]}/",
            "PRINT_CONFIG": False,
        }
        places |= {"SPLIT_TO_EVAL": "val", "TRACKER_SUB_FOLDER": "data"}
        with contextlib.redirect_stdout(io.StringIO()):
            # the ranges of YouTube-VIS; by default it has others, and ranges of time as well
            areas = [[0, 128**2], [128**2, 256**2], [256**2, 1e10]]
            judges = [trackeval.metrics.TrackMAP({"USE_TIME_RANGES": False, "AREA_RANGES": areas})]
            if all_metrics:
                judges += [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(), trackeval.metrics.Identity()]
            data = CompressedTruth(places)
            outcome, _ = trackeval.Evaluator(quiet).evaluate([data], judges)
    combined = outcome["CompressedTruth"]["method"]["COMBINED_SEQ"]
    return {"AP": float(combined["cls_comb_cls_av"]["TrackMAP"]["AP_all"].mean())}


def with_motmetrics(truth: Path, results: Path) -> dict[str, float]:
    """All thresholds and both class modes that `ours-all` computes."""
    import motmetrics
    import numpy as np

    from vis_bench.data.predictions import read_results
    from vis_bench.data.ytvis import read_dataset
    from vis_bench.metrics.mot import box_distances
    from vis_bench.scoring.measure import MOT_SETTINGS, MOT_THRESHOLDS

    dataset = read_dataset(truth, None, "official size", "truth")
    tracks = read_results(results, dataset)
    names = ["idf1", "idp", "idr", "mota", "num_switches", "num_false_positives", "num_misses"]
    names += ["mostly_tracked", "mostly_lost", "num_fragmentations"]
    scores: dict[str, float] = {}
    boxes = {
        video.id: box_distances(
            video.length, dataset.tracks_by_video[video.id], [t for t in tracks if t.video_id == video.id]
        )
        for video in dataset.videos
    }
    for mode, threshold in MOT_SETTINGS:
        accumulators = []
        for found in boxes.values():
            accumulator = motmetrics.MOTAccumulator()
            kept = found.scores > MOT_THRESHOLDS[threshold]
            other = found.truth_categories[:, None] != found.categories[None, :]
            for t in range(len(found.distance)):
                g, d = np.flatnonzero(found.present_truth[t]), np.flatnonzero(found.present[t] & kept)
                distance = found.distance[t][np.ix_(g, d)].copy()
                if mode == "class_aware":
                    distance[other[np.ix_(g, d)]] = np.nan
                accumulator.update(g, d, distance, frameid=t)
            accumulators.append(accumulator)
        host = motmetrics.metrics.create()
        table = host.compute_many(accumulators, metrics=names, generate_overall=True)
        if (mode, threshold) == ("class_agnostic", "0.0"):
            scores["IDF1"] = float(table.loc["OVERALL", "idf1"])
    return scores


def with_official(truth: Path, results: Path) -> dict[str, float]:
    """youtubevos/cocoapi as it is, on the compiled masks of the installed pycocotools.

    It was written for NumPy before 1.24: names that are gone are given back, and
    whole floats are taken as counts.
    """
    import numpy as np
    import pycocotools

    numpy: Any = np
    for name, kind in (("float", float), ("bool", bool)):
        if not hasattr(np, name):
            setattr(numpy, name, kind)
    linspace = np.linspace
    numpy.linspace = lambda start, stop, count, **options: linspace(start, stop, int(count), **options)
    pycocotools.__path__.append(os.environ["VIS_BENCH_OFFICIAL"])
    with contextlib.redirect_stdout(io.StringIO()):
        ytvos = importlib.import_module("pycocotools.ytvos").YTVOS(str(truth))
        judge = importlib.import_module("pycocotools.ytvoseval").YTVOSeval
        found = judge(ytvos, ytvos.loadRes(str(results)), "segm")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return {"AP": float(found.stats[0])}


WAYS = {
    "official-ap": with_official,
    "ours-ap": lambda truth, results: ours(truth, results, "video_ap"),
    "ours-frame-ap": lambda truth, results: ours(truth, results, "frame_ap"),
    "ours-all": lambda truth, results: ours(truth, results, "video_ap,mot,hota,errors"),
    "hotcoco-frame-ap": with_hotcoco,
    "trackeval-ap": lambda truth, results: with_trackeval(truth, results, False),
    "trackeval-all": lambda truth, results: with_trackeval(truth, results, True),
    "motmetrics": with_motmetrics,
}


def peak_memory_bytes() -> int:
    """Of this process since it was started; getrusage would count what the starting process had as well."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    way, truth, results = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    scores = WAYS[way](truth, results)
    cost = {"cpu_seconds": time.process_time(), "peak_memory_bytes": peak_memory_bytes()}
    print(json.dumps({**cost, "scores": scores}))


if __name__ == "__main__":
    main()
