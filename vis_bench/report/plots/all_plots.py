"""All plots of a report, written as PNG files into its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from matplotlib.figure import Figure

from vis_bench.metrics.slices import MIN_VIDEOS
from vis_bench.records.rows import Block, seconds_are_comparable
from vis_bench.report.drawing.style import write_figure
from vis_bench.report.plots.calibration import FEW, calibration_figure
from vis_bench.report.plots.curves import curves_figure, hota_figure, slices_figure
from vis_bench.report.plots.embedding_panels import embeddings_figure
from vis_bench.report.plots.embeddings import RunEmbeddings
from vis_bench.report.plots.heat import MOST_CATEGORIES, category_figure, gains_figure
from vis_bench.report.plots.rank_figure import ranks_figure
from vis_bench.report.plots.ranks import Standings, standings
from vis_bench.report.plots.scores import errors_figure, seeds_figure
from vis_bench.report.plots.tradeoffs import fps_figure, memory_figure
from vis_bench.report.plots.values import BlockValues
from vis_bench.report.speed.rates import MeasuredRates
from vis_bench.report.tables.page import BlockPlots, Plot
from vis_bench.report.tables.text import one_line

PLOTS_FOLDER = "plots"

_SEEDS = (
    "Every dot is one seed. From two seeds on the upright mark is the mean and the line its 95 % t interval "
    "over seeds, with these videos held fixed, cut at 0 and 100. Intervals that overlap decide nothing: "
    "vis-bench compare does."
)
_FPS = (
    "Small dots are seeds, the large mark is their mean. Frames per second of wall time while tracking, "
    "beside whatever else the machine did: not a speed measurement, vis-bench speed makes those."
)
_RATES = (
    "Small dots are seeds, the large mark is their mean. Frames per second end to end by vis-bench speed, "
    "one measurement for all seeds of a method: "
)
_MEMORY = (
    "Small dots are seeds, the large mark is their mean. The largest peak while tracking by vis-bench speed; "
    "that of a process includes its libraries. One measurement for all seeds of a method: "
)
_RANKS = (
    "Methods ranked on each video by the AP of that video alone (equal ones share the mean of their ranks), "
    "mean over videos and shared seeds. Line: 95 % interval, what other videos{seeds} would give. A bar "
    "joins methods of which no verdict says that one is better: verdicts on AP over all pairs, undecided or "
    "equivalent, made as those of vis-bench compare --all-pairs."
)
_CALIBRATION = (
    "Share of tracks that are right, by score, in tenths; number: tracks, seeds together; pale: fewer than "
    f"{FEW}. Right: matched at IoU 0.5 in video AP, in the right category. On the dotted line scores are "
    "probabilities. Dashed: the operating point, one a seed, or one for each half of the videos."
)
_CATEGORY = "AP in percent, mean over seeds; - is undefined in at least one seed."
_ERRORS = (
    "Class-agnostic, tracks scored above 0.3, mean over seeds; number at the end: sum; dots, from two seeds "
    "on: the sum of each seed. In the first panel every object frame without a track counts once. Scales "
    "differ between panels."
)
_CURVES = (
    "Mean over categories and seeds, on the right with a dot per seed; as many as 100 tracks per video and "
    "category count."
)
_HOTA = (
    "At the operating point of each run, categories ignored, mean over seeds; the mean of a line is the HOTA "
    "of the table."
)
_GAINS = (
    "AP points gained if all errors of one kind were repaired, mean over seeds. The repairs are made one "
    "at a time, so the gains do not add up."
)
_SLICES = (
    "AP on the videos of a slice only, mean over seeds, dots are seeds, no intervals: differences between "
    f"slices may be chance. On grey, in pale: fewer than {MIN_VIDEOS} videos, an anecdote."
)
_EMBEDDINGS = (
    "Detections of one run scored above 0.3, before association, on the two principal axes of their "
    "embeddings (STC, Figure 3, has t-SNE). Colour and number: the annotated object with an IoU of at least "
    "0.5, as in the pictures; grey crosses: none. Agree: share of detections, over all videos, whose nearest "
    "neighbour in another frame by cosine similarity shows the same object. Videos: the one with most "
    "objects and the median."
)


def write_plots(
    folder: Path,
    number: int,
    block: Block,
    values: BlockValues | None,
    why_not: str = "",
    embeddings: Mapping[int, RunEmbeddings] = MappingProxyType({}),
    rates: MeasuredRates | None = None,
) -> BlockPlots:
    """Write the plots of one block; files are `plots/NUMBER-name.png`.

    values: from predictions and truth, None where they are not at hand; why_not then says why. embeddings: by
    place of the row, from stored frames. rates: frames per second as vis-bench speed measured them.
    """
    makers: dict[str, tuple[str, str, Callable[[], Figure | None]]] = {
        "seeds": ("AP of every seed", _SEEDS, lambda: seeds_figure(block)),
        "categories": ("AP by category", _categories_text(block), lambda: category_figure(block)),
        "errors": ("Errors in time", _ERRORS, lambda: errors_figure(block)),
        "fps": ("AP and frames per second", _fps_text(rates), lambda: _fps_figure(block, rates)),
    }
    if rates is not None and rates.megabytes:
        makers["memory"] = ("AP and memory", _memory_text(rates), lambda: memory_figure(block, rates))
    if embeddings:
        makers["embeddings"] = (
            "Embeddings of instances",
            _EMBEDDINGS + _seeds_text({place: (run.seed,) for place, run in embeddings.items()}, block),
            lambda: embeddings_figure(block, embeddings),
        )
    notes: list[str] = []
    if values is None:
        notes.append(f"No ranks, precision-recall curves, calibration, repair gains and slices: {why_not}")
    else:
        rows = values.rows
        seeds = _seeds_text({place: [one.seed for one in runs] for place, runs in rows.items()}, block)
        found = standings(block, rows)
        if found is not None:
            makers["ranks"] = ("Ranks", _ranks_text(found), lambda: ranks_figure(block, found))
        makers |= {
            "curves": ("Precision, recall and IoU", _CURVES + seeds, lambda: curves_figure(block, rows)),
            "hota": (
                "HOTA by localisation threshold",
                _HOTA + seeds,
                lambda: hota_figure(block, rows),
            ),
            "calibration": (
                "Scores and precision",
                _CALIBRATION + seeds,
                lambda: calibration_figure(block, rows),
            ),
            "gains": ("What errors cost", _GAINS + seeds, lambda: gains_figure(block, rows)),
            "slices": (
                "AP by what the videos look like",
                _SLICES + seeds,
                lambda: slices_figure(block, values.slices, rows),
            ),
        }
        notes += [f"Not in the plots from predictions: {note}" for note in values.notes]
    return BlockPlots(_written(folder / PLOTS_FOLDER, number, makers), tuple(notes))


def _written(
    folder: Path, number: int, makers: Mapping[str, tuple[str, str, Callable[[], Figure | None]]]
) -> tuple[Plot, ...]:
    plots = []
    for name, (title, about, make) in makers.items():
        figure = make()
        if figure is None:
            continue
        path = folder / f"{number}-{name}.png"
        write_figure(path, figure)
        plots.append(Plot(title, about, path))
    return tuple(plots)


def _fps_figure(block: Block, rates: MeasuredRates | None) -> Figure | None:
    return fps_figure(block, rates) if rates is not None or seconds_are_comparable(block) else None


def _fps_text(rates: MeasuredRates | None) -> str:
    if rates is None:
        return _FPS
    missing = f" Not measured: {', '.join(rates.missing)}." if rates.missing else ""
    return f"{_RATES}{rates.conditions}.{missing}"


def _memory_text(rates: MeasuredRates) -> str:
    return f"{_MEMORY}{rates.conditions}."


def _ranks_text(found: Standings) -> str:
    one_seed = " One seed: fixed checkpoints, no claim on training." if len(found.seeds) == 1 else ""
    seeds = " and seeds" if len(found.seeds) > 1 else ""
    return f"{_RANKS.format(seeds=seeds)} Seeds: {', '.join(map(str, found.seeds))}.{one_seed}"


def _categories_text(block: Block) -> str:
    return f"{_CATEGORY} At most the first {MOST_CATEGORIES} categories are drawn."


def _seeds_text(used: Mapping[int, Sequence[int]], block: Block) -> str:
    """Which seeds are drawn of each row, by its place; of how many, where that is not all of them."""
    texts = {}
    for place, seeds in used.items():
        row = block.rows[place]
        left_out = set(row.done_seeds) - set(seeds)
        of = f" of {', '.join(map(str, row.done_seeds))}" if left_out else ""
        texts[one_line(row.label(block.default_config))] = f"{', '.join(map(str, seeds))}{of}"
    if len(set(texts.values())) == 1:
        return f" Seeds: {next(iter(texts.values()))}."
    return f" Seeds: {'; '.join(f'{label} {text}' for label, text in texts.items())}." if texts else ""
