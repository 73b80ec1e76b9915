"""Scoring at the size of YouTube-VIS 2021 against the tools that a researcher would use: one table of ratios.

    pytest tests/benchmarks/test_bench_official_size.py --benchmark-enable -s

Every way of scoring runs in a process of its own, from the files on, on one thread; ours is the command line.
Peers that are not installed are left out. Ratios are compared with those in ratios.json;
VIS_BENCH_STORE_PEERS=1 replaces them. Twelve minutes in all.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import ratios
from official_size import Corpus, write_frames, write_official_size

from vis_bench.data.predictions import read_results
from vis_bench.data.ytvis import read_dataset
from vis_bench.metrics import video_ap
from vis_bench.scoring.evaluate import measure

SCRIPT = Path(__file__).with_name("scoring_cost.py")
# what there is: no C compiler and no extra, a plain install, one with the extra `fast`
BARE, FAST = {"VIS_BENCH_FAST": "0"}, {"VIS_BENCH_FAST": ""}
PLAIN = {**FAST, "SCORING_WITHOUT_ORJSON": "1"}
OURS = (("without a C compiler", BARE), ("plain install", PLAIN), ("with the extra `fast`", FAST))
MOST_MEMORY_BYTES = 0.4e9
MOST_MEMORY_WITHOUT_KERNELS_BYTES = 0.7e9
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    cpu_seconds: float
    peak_memory_bytes: int
    scores: dict[str, float]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Corpus:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("benchmarks are not enabled")
    return write_official_size(tmp_path_factory.mktemp("official"))


def cost(way: str, files: Corpus, switch: dict[str, str] = BARE) -> Cost:
    environment = {**os.environ, **switch, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # as everywhere, modules are compiled once: the first run is never the median
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(files.truth.parent / "compiled"),
    }
    command = [sys.executable, str(SCRIPT), way, str(files.truth), str(files.results)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def median_costs(ways: list[tuple[str, dict[str, str]]], files: Corpus, repeats: int = REPEATS) -> list[Cost]:
    """The run of median CPU time of each way; the ways take turns, so that a slow minute is slow for all."""
    runs = [[cost(way, files, switch) for way, switch in ways] for _ in range(repeats)]
    return [
        sorted(column, key=lambda one: one.cpu_seconds)[repeats // 2] for column in zip(*runs, strict=True)
    ]


def show(capsys: pytest.CaptureFixture[str], title: str, rows: list[tuple[str, Cost, float | None]]) -> None:
    with capsys.disabled():
        print(f"\n{title:<44}{'CPU s':>8}{'ratio':>8}{'GB':>7}")
        for name, one, ratio in rows:
            shown = "" if ratio is None else f"{ratio:.1f}"
            print(f"{name:<44}{one.cpu_seconds:>8.2f}{shown:>8}{one.peak_memory_bytes / 1e9:>7.2f}")


def compare_ap(files: Corpus, title: str, capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """Ratios of each peer to our three ways; the official code where VIS_BENCH_OFFICIAL names it."""
    peers = {"TrackEval TrackMAP": "trackeval-ap"} if is_there("trackeval") else {}
    if "VIS_BENCH_OFFICIAL" in os.environ:
        peers["youtubevos/cocoapi"] = "official-ap"
    ways = [("ours-ap", switch) for _, switch in OURS] + [(way, BARE) for way in peers.values()]
    found = median_costs(ways, files)
    ours, ratios = found[: len(OURS)], {}
    for name, peer in zip(peers, found[len(OURS) :], strict=True):
        ratios[name] = [peer.cpu_seconds / one.cpu_seconds for one in ours]
        rows = [(way, one, ratio) for (way, _), one, ratio in zip(OURS, ours, ratios[name], strict=True)]
        show(capsys, title, [(name, peer, None), *rows])
        if name == "youtubevos/cocoapi":
            assert ours[0].scores["AP"] == pytest.approx(peer.scores["AP"], abs=1e-12)
    assert ours[0].scores == ours[1].scores == ours[2].scores
    return ratios


def is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def kept(now: dict[str, float]) -> None:
    """Compare with the ratios that are stored, or store them."""
    if os.environ.get("VIS_BENCH_STORE_PEERS") == "1":
        ratios.keep_peers(now)
    assert not ratios.behind_peers(now)


def test_ap_against_the_official_code_and_trackeval(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, found in compare_ap(corpus, f"AP, {corpus.masks} masks", capsys).items():
        bare, plain, fast = found
        assert bare >= 1.7
        assert min(plain, fast) >= 5
        kept({f"AP, {name}, plain": plain, f"AP, {name}, fast": fast})


def test_frame_ap_against_hotcoco(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    if not is_there("hotcoco"):
        pytest.skip("the package hotcoco is not installed")
    write_frames(corpus)
    plain, fast, peer = median_costs(
        [("ours-frame-ap", PLAIN), ("ours-frame-ap", FAST), ("hotcoco-frame-ap", BARE)], corpus
    )
    ratio = [peer.cpu_seconds / one.cpu_seconds for one in (plain, fast)]
    rows: list = [("hotcoco", peer, None), ("plain install", plain, ratio[0]), (OURS[2][0], fast, ratio[1])]
    show(capsys, "frame AP", rows)
    assert plain.scores == fast.scores
    assert plain.scores["AP"] == pytest.approx(peer.scores["AP"], abs=1e-9)
    assert min(ratio) > 1
    kept({"frame AP, hotcoco, plain": ratio[0], "frame AP, hotcoco, fast": ratio[1]})


def test_all_metrics_against_trackeval_and_motmetrics(corpus: Corpus, capsys) -> None:
    ours = median_costs([("ours-all", switch) for _, switch in OURS], corpus)
    first, second = median_costs([("trackeval-all", BARE), ("motmetrics", BARE)], corpus, repeats=3)
    peers = first.cpu_seconds + second.cpu_seconds
    rows: list = [("TrackEval, four metrics", first, None), ("motmetrics, eight settings", second, None)]
    rows += [(way, one, peers / one.cpu_seconds) for (way, _), one in zip(OURS, ours, strict=True)]
    show(capsys, "AP + MOT + HOTA + errors", rows)
    assert ours[0].scores == ours[1].scores == ours[2].scores
    assert ours[0].scores["IDF1"] == pytest.approx(second.scores["IDF1"], abs=1e-12)
    assert peers / max(one.cpu_seconds for one in ours[1:]) >= 12
    plain, fast = (peers / one.cpu_seconds for one in ours[1:])
    kept({"all, TrackEval and motmetrics, plain": plain, "all, TrackEval and motmetrics, fast": fast})
    assert max(one.peak_memory_bytes for one in ours[1:]) < MOST_MEMORY_BYTES
    # without the kernels masks are objects of Python
    assert ours[0].peak_memory_bytes < MOST_MEMORY_WITHOUT_KERNELS_BYTES


def test_dense_videos(corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dense = write_official_size(tmp_path, videos=60, predictions=60, categories=2)
    for _, _, fast in compare_ap(dense, "dense: 60 videos x 60 predictions, 2 classes", capsys).values():
        assert fast >= 5


def test_time_grows_linearly_and_jobs_share_the_videos(corpus: Corpus, tmp_path: Path, capsys) -> None:
    costs = []
    for factor in (1, 2, 4, 8):
        part = write_official_size(tmp_path / str(factor), videos=50 * factor)
        costs.append((f"{50 * factor} videos", cost("ours-all", part, FAST), None))
    show(capsys, "AP + MOT + HOTA + errors, fast", costs)
    seconds = [one.cpu_seconds for _, one, _ in costs]
    # the fixed part is the same in all; doubling the videos at most doubles the rest
    assert seconds[3] - seconds[2] < 2.6 * (seconds[2] - seconds[1])


def test_a_thousand_bootstrap_replicates(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = read_dataset(corpus.truth, None, "official size", "truth")
    statistics = measure(dataset, read_results(corpus.results, dataset), ("ap",))
    count = len(statistics.video_ids)
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), 1000).astype(float)
    begin = time.process_time()
    found = video_ap.reduce(statistics.video_ap, weights)["AP"]
    seconds = time.process_time() - begin
    with capsys.disabled():
        print(f"\n1,000 bootstrap replicates of AP: {seconds:.2f} CPU s, sd {100 * found.std():.2f} AP")
    assert seconds < 3
