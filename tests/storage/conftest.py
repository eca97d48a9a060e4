from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.storage.places import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Mounts for one test; skips it where the account may not mount."""
    mounted: list[Path] = []

    def make(target: Path, *arguments: str) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a file system")
        target.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *arguments, str(target)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
        mounted.append(target)

    yield make
    for target in reversed(mounted):
        subprocess.run(["umount", "-l", str(target)], check=True)
