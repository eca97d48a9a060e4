"""The figures of a run as a JSON file: kept after each measurement, so that an interrupted run has lost one at most."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field

from benchmarks.rows import Row
from tests.peers.install import PEERS, peers_directory

_PYTHON = ("pyftpdlib", "aioftp", "trio", "ftlite")
_TOOLS = ("curl", "lftp", "ncftp", "rclone", "rsync", "tar")


def machine() -> dict[str, Any]:
    """Where the figures come from; those of another machine, or of other versions, are not put beside them."""
    return {
        "processors": os.cpu_count(),
        "model": _model(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": _versions(),
    }


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name, packages in PEERS.items():
        for package in packages:
            changes = peers_directory() / name / "usr/share/doc" / package / "changelog.Debian.gz"
            if changes.exists():
                with gzip.open(changes, "rt") as lines:
                    found[name] = lines.readline().split("(")[1].split(")")[0]
                break
    for name in _PYTHON:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name in _TOOLS:
        command = ["dpkg-query", "--show", "--showformat=${Version}", name]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            found[name] = asked.stdout
    return found


@define
class Results:
    """What was measured, by measurement.

    Attributes:
        measured: name -> {"rows", "quick", "size", "at", "seconds", "load"}.
        configurations: what each server was told.
    """

    machine: dict[str, Any] = field(factory=machine)
    measured: dict[str, dict[str, Any]] = field(factory=dict)
    configurations: dict[str, str] = field(factory=dict)

    def keep(self, name: str, rows: list[Row], *, quick: bool, size: int, seconds: float) -> None:
        self.measured[name] = {
            "at": time.strftime("%Y-%m-%d", time.gmtime()),
            "quick": quick,
            "size": size,
            "seconds": round(seconds, 1),
            "load": round(os.getloadavg()[0], 1),
            "rows": [row.to_json() for row in rows],
        }

    def rows(self, names: Iterable[str]) -> list[Row]:
        """The rows of these measurements, in this order."""
        return [Row.from_json(row) for name in names if name in self.measured for row in self.measured[name]["rows"]]

    def write(self, path: Path) -> None:
        """By rename, so that what is there is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        text = {"machine": self.machine, "measured": self.measured, "configurations": self.configurations}
        beside.write_text(json.dumps(text, indent=1, ensure_ascii=True) + "\n", encoding="ascii")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Results:
        """What stands there, if it is of this machine; else nothing yet."""
        here = machine()
        try:
            kept = json.loads(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return cls(here)
        if kept["machine"] != here:
            return cls(here)
        return cls(here, kept["measured"], kept["configurations"])
