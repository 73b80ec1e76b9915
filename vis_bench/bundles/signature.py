"""Signatures of bundles with the SSH keys that people have: OpenSSH's `ssh-keygen -Y`.

Signed is the manifest, which holds the hash of every other file.
Source: ssh-keygen(1), options -Y sign, verify and check-novalidate.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from vis_bench.errors import DataError, UsageError

NAMESPACE = "vis-bench"
TOOL = "ssh-keygen"
_SECONDS = 60


def sign(manifest: bytes, key: Path) -> bytes:
    """The signature of a manifest. key: a private key file, or a public one whose private key an agent holds.

    Raises UsageError without OpenSSH, for a key that is missing or cannot be used.
    """
    _require_tool("--sign")
    if not key.is_file():
        raise UsageError(f"--sign {key}: no such key file. Make one: ssh-keygen -t ed25519 -f {key}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest"
        file.write_bytes(manifest)
        done = _call("-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(file))
        if done.returncode != 0:
            raise UsageError(f"--sign {key}: {TOOL} did not sign ({_words(done)}).")
        return (Path(folder) / "manifest.sig").read_bytes()


def check(manifest: bytes, signature: bytes, signers: Path | None) -> str:
    """Who signed, in words: `signed by NAME (...)`, or `signed by a key that is not known here (...)`.

    signers: a file of allowed signers, as OpenSSH has it; None checks only that the signature fits. Raises
    DataError where it does not, or where the signer is not among them; UsageError where signers are given and
    there is no OpenSSH.
    """
    if shutil.which(TOOL) is None and signers is None:
        return f"signed; the signature was not checked, there is no {TOOL} here"
    _require_tool("--signers")
    if signers is not None and not signers.is_file():
        raise UsageError(f"--signers {signers}: no such file (lines of `NAME KEYTYPE KEY`).")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        if signers is None:
            done = _call("-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file), given=manifest)
            _require_good(done)
            return f"signed by a key that is not known here ({_words(done)})"
        asked = _call("-Y", "find-principals", "-n", NAMESPACE, "-s", str(file), "-f", str(signers))
        names = asked.stdout.decode(errors="replace").split()
        if asked.returncode != 0 or not names:
            raise DataError(f"the bundle is signed by nobody in {signers}.")
        place = ("-I", names[0], "-s", str(file), "-f", str(signers))
        done = _call("-Y", "verify", "-n", NAMESPACE, *place, given=manifest)
        _require_good(done)
        return f"signed by {names[0]}"


def _require_good(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode != 0:
        raise DataError(f"the signature of the bundle does not fit its manifest ({_words(done)}).")


def _require_tool(option: str) -> None:
    if shutil.which(TOOL) is None:
        raise UsageError(f"{option}: needs {TOOL}, which is not here. Install OpenSSH (openssh-client).")


def _call(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [TOOL, *arguments], input=given, capture_output=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{TOOL} gave no answer in {_SECONDS} s.") from None


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stdout + b" " + done.stderr).decode(errors="replace")
    return " ".join(text.split())[:200] or f"exit code {done.returncode}"
