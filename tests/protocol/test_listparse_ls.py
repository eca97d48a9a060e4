"""The judge of the Unix form is ls itself: what it says of real files is read back, in each style that it has."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse import listing_lines, parse_list

NAMES = [
    b"plain", b" leading", b"  two", b"trailing ", b"a -> b", b"Nov 20 10:15 x", b"1 u g 12 Nov 3 2026 y",
    b"10:15", b"\xc3\xbcml\xc3\xa4ut", b"\xff\xfe", b"-rf", b"...", b"a\\b", b"\xe2\x80\xa8", b"tab\tbed",
]  # fmt: skip
DAY = 86400


def has_gnu_ls() -> bool:
    done = subprocess.run(["ls", "--version"], capture_output=True, check=False)
    return b"GNU coreutils" in done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ls")
    now = int(time.time())
    for number, name in enumerate(NAMES):
        path = os.path.join(os.fsencode(place), name)
        try:
            with open(path, "wb") as file:
                file.write(b"x" * number * 40)
        except OSError:
            continue  # a file system that takes UTF-8 only
        os.chmod(path, 0o600 | number)
        seconds = now - (number * 40 * DAY) - 61
        os.utime(path, (seconds, seconds))
    (place / "dir").mkdir()
    (place / "link -> odd").symlink_to("target -> of it")
    os.mkfifo(place / "fifo")
    return place


def listed(place: Path, *flags: str) -> dict[str, Entry]:
    done = subprocess.run(
        ["ls", *flags], cwd=place, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C", "TZ": "UTC0"}
    )
    lines = listing_lines(done.stdout)
    entries = parse_list(lines, time.time_ns())
    assert len(entries) == sum(not line.startswith("total ") for line in lines)
    return {entry.name: entry for entry in entries}


def check(place: Path, entries: dict[str, Entry], allowed: int) -> None:
    """Compare with the disk; times may be up to `allowed` seconds too early, since ls leaves those out."""
    names = os.listdir(place)
    assert set(names) <= entries.keys()
    for name in names:
        entry, fact = entries[name], os.lstat(place / name)
        assert entry.mode == stat.S_IMODE(fact.st_mode), name
        if not stat.S_ISREG(fact.st_mode):
            continue
        assert (entry.kind, entry.size) == (Kind.FILE, fact.st_size), name
        assert entry.modify_ns is not None
        assert 0 <= int(fact.st_mtime) - entry.modify_ns // 10**9 < allowed, name
    assert entries["dir"].kind is Kind.DIR
    assert entries["fifo"].kind is Kind.OTHER
    assert (entries["link -> odd"].kind, entries["link -> odd"].target) == (Kind.LINK, "target -> of it")


@pytest.mark.parametrize("flags", ["-lA", "-la", "-lAn", "-lAg", "-lAo", "-lAU"])
def test_every_flag_of_ls(place: Path, flags: str) -> None:
    entries = listed(place, flags)
    check(place, entries, DAY)
    if flags == "-la":
        assert (entries["."].kind, entries[".."].kind) == (Kind.CDIR, Kind.PDIR)


@pytest.mark.skipif(not has_gnu_ls(), reason="time styles are GNU's")
@pytest.mark.parametrize(("style", "allowed"), [("full-iso", 1), ("long-iso", 60), ("iso", DAY), ("locale", DAY)])
def test_every_time_style_of_gnu_ls(place: Path, style: str, allowed: int) -> None:
    check(place, listed(place, "-lA", f"--time-style={style}"), allowed)


def test_owners_of_ls(place: Path) -> None:
    fact = os.stat(place / "plain")
    entry = listed(place, "-ln")["plain"]
    assert (entry.owner, entry.group) == (str(fact.st_uid), str(fact.st_gid))
