"""vis-bench cache ls, rm."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import PrintJson

cache_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List and remove what can be made again."
)


@cache_app.command("ls")
def cache_ls(json_: PrintJson = False) -> None:
    """List what lies in the cache folder ($VIS_BENCH_CACHE, or ~/.cache/vis-bench)."""
    from vis_bench.cache import default_cache_root
    from vis_bench.doctor.cached import entries
    from vis_bench.files import dump_json

    found = entries()
    if json_:
        rows = [{"name": one.name, "kind": one.kind, "size_bytes": one.size_bytes} for one in found]
        typer.echo(dump_json({"folder": str(default_cache_root()), "entries": rows}, indent=1))
        return
    typer.echo(str(default_cache_root()))
    for one in found:
        typer.echo(f"{one.size_bytes / 1e6:>9.1f} MB  {one.name}  ({one.kind or 'not made by vis-bench'})")
    typer.echo(f"{sum(one.size_bytes for one in found) / 1e6:>9.1f} MB  in {len(found)} entries")


@cache_app.command("rm")
def cache_rm(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As `cache ls` prints them.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything that vis-bench has made there.")] = False,
) -> None:
    """Remove entries of the cache; they are made again when they are needed.

    A run that is under way may need them.

    \b
    Examples:
      vis-bench cache rm estimates
      vis-bench cache rm --all
    """
    from vis_bench.doctor.cached import remove
    from vis_bench.errors import UsageError

    if bool(names) == all_:
        raise UsageError("Name what to remove, as `vis-bench cache ls` prints it, or give --all.")
    removed = remove(list(names or ()), all_)
    size = sum(one.size_bytes for one in removed)
    typer.echo(f"removed {len(removed)} entr{'y' if len(removed) == 1 else 'ies'}, {size / 1e6:.1f} MB")
