"""Mean ranks with their intervals, and bars beside methods that no verdict parts."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vis_bench.records.rows import Block
from vis_bench.report.drawing.style import GREY, INK, name_rows, new_figure
from vis_bench.report.plots.ranks import Standings
from vis_bench.report.plots.scores import block_looks

_ROW_INCHES, _FRAME_INCHES = 0.34, 1.0
_GROUP_SHARE, _MOST_SHARE = 0.035, 0.4


def ranks_figure(block: Block, found: Standings) -> Figure:
    """A row per method, the best one at the top; on the right a bar per group, with a dot at its members."""
    looks = block_looks(block)
    share = min(_MOST_SHARE, 0.06 + _GROUP_SHARE * len(found.groups))
    figure, grid = new_figure(
        _FRAME_INCHES + _ROW_INCHES * len(found.methods),
        columns=2,
        sharey=True,
        width_ratios=(1 - share, share),
    )
    axes: Axes = grid[0, 0]
    bars: Axes = grid[0, 1]
    line_of = {one.place: y for y, one in enumerate(found.methods)}
    for y, one in enumerate(found.methods):
        look = looks[one.place]
        axes.plot([one.low, one.high], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
        axes.plot(
            [one.mean], [y], look.marker, color=look.colour, markersize=8, markeredgecolor=INK, linestyle="",
            clip_on=False,
        )  # fmt: skip
    for x, group in enumerate(found.groups):
        lines = [line_of[place] for place in group]
        bars.plot([x, x], [min(lines), max(lines)], color=GREY, linewidth=2.5, solid_capstyle="round")
        bars.plot([x] * len(lines), lines, "o", color=INK, markersize=5, linestyle="")
    axes.set_xlim(1, max(2, len(found.methods)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False, axis="y")
    labels = {place: row.label(block.default_config) for place, row in enumerate(block.rows)}
    name_rows(axes, [labels[one.place] for one in found.methods])
    axes.set_xlabel(f"mean rank over {found.videos} videos (1 is best)", fontsize=9)
    bars.set_axis_off()
    bars.set_xlim(-0.7, max(1, len(found.groups)) - 0.3)
    title = "not told apart" if found.groups else ""
    bars.set_title(title, fontsize=8, loc="center", color=INK)
    return figure
