"""vis-bench pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vis_bench.cli.options import Changes, Device, say


def pretrain(
    methods: Annotated[
        str, typer.Option("--methods", "-m", help="`all`, or names: stc,inspro@tiny,my_method.py:SPEC.")
    ],
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
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read images.  [default: 0 on a CPU]")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, tf32, bf16 or fp16.  [default: fp32, or the paper's on a GPU]")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Deterministic operations on GPUs where they exist.")
    ] = False,
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
