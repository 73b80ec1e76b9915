"""Real detectron2 and Mask2Former-video code for tests: archives of the index, pinned by their hashes.

They are downloaded by pip into the cache once and not installed: tests put them on the path of a process.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from vis_bench.cache import default_cache_root

ARCHIVES = {
    "pb1-detectron2==0.6": "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29",
    "maskformer2==0.1": "d934e3378e86cc326129eeda18ca1097cf32d9c248dc8e957a14899d9241602a",
}
NEEDS = (
    *("fvcore==0.1.5.post20221221", "iopath==0.1.9", "yacs==0.1.8", "omegaconf==2.3.1", "pyyaml"),
    *("termcolor", "portalocker", "antlr4-python3-runtime==4.9.3", "cloudpickle", "tabulate"),
    *("hydra-core==1.3.2", "timm==1.0.11"),
)
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Code:
    """Folders: of detectron2, of mask2former and mask2former_video, and of what they import."""

    detectron2: Path
    mask2former: Path
    site: Path

    def run(self, *arguments: object, timeout_s: int = 1200) -> subprocess.CompletedProcess[str]:
        """Python with all of it and this repository on its path; the result, whatever its exit code."""
        places = (REPOSITORY, self.detectron2, self.mask2former, self.site)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=timeout_s, check=False
        )


# what pip says of a connection that did not come about; every one of them is met in its output
CONNECTION = (
    *("NewConnectionError", "ConnectTimeout", "ReadTimeout", "Max retries exceeded"),
    *("Failed to establish a new connection", "Name or service not known"),
    *("Temporary failure in name resolution", "Network is unreachable", "Connection refused"),
)
NOTHING_FOUND = ("(from versions: none)", "No matching distribution found")


def unreachable(output: str, no_index: bool = False) -> bool:
    """Whether pip failed because it could not reach an index, by all that it printed. no_index: it was told
    to ask none, which it does not say.

    A connection that broke on the way counts only where nothing else went wrong: a pin that was yanked, a
    wrong hash or a build that failed is the project's own trouble.
    """
    errors = [line for line in output.splitlines() if line.lower().lstrip().startswith("error")]
    if any(word in line for line in errors for word in CONNECTION):
        return True
    silent = no_index or any(word in output for word in CONNECTION)
    nothing = "(from versions: none)" in output
    return silent and nothing and all(any(word in line for word in NOTHING_FOUND) for line in errors)


def code() -> Code:
    """The code, downloaded where it is not there; a skip where no index can be reached."""
    cache = default_cache_root() / "tests" / "detectron2"
    cache.mkdir(parents=True, exist_ok=True)
    folders = [_unpacked(cache, requirement, digest) for requirement, digest in ARCHIVES.items()]
    site, done = cache / "site", cache / f"site-{hashlib.sha256(repr(NEEDS).encode()).hexdigest()[:8]}"
    if not done.exists():
        _pip("install", "--upgrade", "--target", site, "--no-deps", "--no-build-isolation", *NEEDS)
        done.touch()
    return Code(*folders, site)


def _unpacked(cache: Path, requirement: str, digest: str) -> Path:
    name = requirement.replace("==", "-")
    archive, folder = cache / f"{name}.tar.gz", cache / name
    if not archive.exists():
        _pip(
            "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", cache, requirement
        )
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest
    if not folder.exists():
        with tarfile.open(archive) as files:
            files.extractall(cache, filter="data")
    return folder


def _pip(*arguments: object) -> None:
    """pip of this environment with its own settings; a skip where it reaches no index, else a failure."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}".strip()
        if unreachable(said, os.environ.get("PIP_NO_INDEX", "") in ("1", "true", "yes", "on")):
            pytest.skip(f"no package index: {(said.splitlines() or ['no message'])[-1]}")
        pytest.fail("\n".join(["pip failed:", " ".join(command), *said.splitlines()[-20:]]), pytrace=False)
