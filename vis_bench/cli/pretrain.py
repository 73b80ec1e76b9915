"""vis-bench pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import Changes, Deterministic, Device, Methods, Precision, Workers, say


def pretrain(
    methods: Methods,
    data: Annotated[
        str, typer.Option(metavar="coco:PATH", help="COCO images, by annotation file or folder.")
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of METHOD@CONFIG.safetensors.")],
    protocol: Annotated[str, typer.Option(help="Whose rules the image stage follows.")] = "paper",
    images: Annotated[
        int | None, typer.Option(min=1, help="Source images seen.  [default: the protocol's]")
    ] = None,
    set_: Changes = None,
    device: Device = "auto",
    workers: Workers = None,
    precision: Precision = None,
    deterministic: Deterministic = False,
) -> None:
    """Train whole models on images, for `run --start FOLDER`.

    Methods that share a network share a training; a killed call goes on where it stopped.

    \b
    Examples:
      vis-bench pretrain --methods all --data coco:data/coco -o starts
      vis-bench run --methods all --dataset ytvis21 --start starts
    """
    from vis_bench.engine.pretrain import pretrain as train

    found = train(
        methods,
        data,
        Path(out),
        protocol=protocol,
        images=images,
        overrides=set_ or (),
        device=device,
        workers=workers,
        precision=precision,
        deterministic=deterministic,
    )
    for one in found:
        say(f"{'trained' if one.trained else 'cached':<10} {one.path}  {one.source}")
