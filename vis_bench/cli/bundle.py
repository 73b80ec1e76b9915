"""vis-bench bundle, verify-bundle."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, PlaceOfVideos, PrintJson, TruthFile, put_json, say, tell

Signers = Annotated[
    str | None, typer.Option(metavar="FILE", help="Allowed signers (OpenSSH); one must have signed.")
]


def bundle(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories, or folders of them.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="NAME.vis.zip", help="The new file.")],
    weights: Annotated[bool, typer.Option("--weights", help="The trained weights too.")] = False,
    sign: Annotated[
        str | None, typer.Option(metavar="KEY", help="Sign with this SSH key (needs ssh-keygen).")
    ] = None,
    note: Annotated[str, typer.Option(help="A word about it, such as who and where.")] = "",
    protocol: Annotated[
        list[str] | None, typer.Option(metavar="FILE.toml", help="A protocol that is not installed.")
    ] = None,
) -> None:
    """Pack finished runs into one file that anyone can check: predictions, records, protocols, hashes.

    Equal runs give equal bytes.

    \b
    Examples:
      vis-bench bundle runs/shapes-test/shapes/stc@tiny-seed-* -o stc.vis.zip
      vis-bench bundle runs/shapes-test -o all.vis.zip --sign ~/.ssh/id_ed25519
    """
    from vis_bench.bundles.pack import bundle as pack

    found = pack(runs, out, weights=weights, sign_with=sign, note=note, protocols=protocol or ())
    for name in found.missing_protocols:
        say(
            f"vis-bench: protocol {name!r} is not installed in the version of the runs; add --protocol "
            "FILE.toml."
        )
    tell(
        f"{found.path}: {found.runs} run{'s' if found.runs > 1 else ''}, {found.bytes:,} bytes, "
        f"SHA-256 {found.sha256}"
    )


def verify_bundle(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A bundle.")],
    truth: TruthFile = None,
    dataset: PlaceOfVideos = None,
    json_: PrintJson = False,
    signers: Signers = None,
    data_root: DataRoot = None,
) -> None:
    """Check a bundle: hashes, completeness, caps, look-ahead; its predictions are scored again.

    Exits 0 where every number is equal, 1 where one differs, 3 for a damaged bundle or missing truth, 5 for
    other data.

    \b
    Examples:
      vis-bench verify-bundle stc.vis.zip
      vis-bench verify-bundle stc.vis.zip --truth instances_devval.json --json
    """
    from vis_bench.bundles.verify import verification_text
    from vis_bench.bundles.verify import verify_bundle as verify

    found = verify(
        file, truth, dataset=dataset, data_root=data_root, signers=signers, say=say if not json_ else _silent
    )
    if not put_json("-" if json_ else None, found.as_json()):
        tell(verification_text(found))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _silent(text: str) -> None:
    """Say nothing."""
