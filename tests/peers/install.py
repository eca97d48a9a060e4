"""Unpacks the Debian packages of the peers side by side, installing nothing: as packages they exclude each other.

`python -m tests.peers.install [DIR]`. Each server gets a directory of its own under DIR (default: `.peers/` beside
`tests/`, or FTLITE_PEERS), with the libraries it needs and this system lacks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: Server -> the packages that hold it.
PEERS: dict[str, tuple[str, ...]] = {
    "vsftpd": ("vsftpd",),
    "proftpd": ("proftpd-core", "proftpd-mod-crypto"),
    "pureftpd": ("pure-ftpd-common", "pure-ftpd"),
}


def peers_directory() -> Path:
    """Where the peers are, or will be, unpacked."""
    return Path(os.environ.get("FTLITE_PEERS") or Path(__file__).parents[2] / ".peers").absolute()


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        print("usage: python -m tests.peers.install [DIR]", file=sys.stderr)
        return 2
    directory = Path(arguments[0]).absolute() if arguments else peers_directory()
    refreshed = False
    for name, packages in PEERS.items():
        target = directory / name
        if target.exists():
            print(f"{name}: already in {target}")
            continue
        try:
            _unpack(packages, target)
        except subprocess.CalledProcessError:
            if refreshed:
                raise
            subprocess.run(["apt-get", "-qq", "update"], check=True)
            refreshed = True
            _unpack(packages, target)
        print(f"{name}: unpacked into {target}")
    missing = [line for name in PEERS for line in _unresolved(directory / name)]
    print("\n".join(missing), end="\n" if missing else "", file=sys.stderr)
    return 1 if missing else 0


def libraries(directory: Path) -> str:
    """The value of LD_LIBRARY_PATH that lets the programs under `directory` find what was unpacked beside them."""
    return ":".join(sorted({str(found.parent) for found in directory.glob("**/lib*.so.*")}))


def _unpack(packages: tuple[str, ...], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Unpacked beside and renamed, so that an interrupted run leaves nothing that looks finished.
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        wanted = sorted({*packages, *_would_install(packages)})
        # As root, apt downloads as its own user, which may not enter a private directory; it warns and goes on.
        command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *wanted]
        subprocess.run(command, check=True, cwd=scratch, stdin=subprocess.DEVNULL)
        tree = Path(scratch, "tree")
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, tree], check=True)
        tree.chmod(0o755)
        shutil.move(tree, target)


def _would_install(packages: tuple[str, ...]) -> list[str]:
    """Everything apt would add to this system for `packages`: themselves and the libraries that are not here yet."""
    command = ["apt-get", "-qq", "--simulate", "--no-install-recommends", "install", *packages]
    simulated = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)


def _unresolved(directory: Path) -> list[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(directory)}
    lines = []
    for program in directory.glob("usr/sbin/*"):
        listed = subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=False).stdout
        lines += [f"{program}: {line.strip()}" for line in listed.splitlines() if "not found" in line]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
