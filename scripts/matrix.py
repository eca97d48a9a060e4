"""Servers and clients judged side by side: makes docs/conformance.md. `make conformance` runs it.

    python -m scripts.matrix [--keep DIRECTORY] [NAME ...]     judge all servers, or those named, and the clients
    python -m scripts.matrix --keep DIRECTORY --draw           draw what was kept, without judging again

Results are kept in DIRECTORY (build/conformance, unless given). Servers that cannot run here are told and left out.
Exit 1: ours breaks a MUST that is no deviation.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.results import machine
from conformance.matrix import Judged, clause_section, server_section
from conformance.registry import all_cases
from conformance.server import Result, read_deviations, run, sum_up
from conformance.wire import Target, TlsMode
from tests.peers.certificate import Certificate, make_certificate
from tests.peers.process import PeerMissing
from tests.peers.servers import CONFORMANCE, Tls

_HOME = Path(__file__).parents[1]
_DOCUMENT = _HOME / "docs" / "conformance.md"
_DEVIATIONS = _HOME / "conformance" / "deviations"
_PATIENCE = 6.0  #: seconds for a reply; the machine may be busy
_NO_TLS = {"aioftp"}
_HEAD = """\
# Conformance

Which clause of which RFC each server and client keeps, found by [the suite](../conformance/__init__.py), which imports
nothing from ftlite and works on any server and client:

    python -m conformance server ftp://user:password@host/directory --root /where/that/is
    python -m conformance client --get 'mine get {{url}} {{local}}'

This file is made by `make conformance`. Servers ran as `tests/peers/servers.py` configures them, on {system}.
[deviations.md](deviations.md) has our own deviations with their reasons. [vectors](../conformance/vectors/README.md)
are the same knowledge as data: replies, facts, listings and paths that parsers in any language can be tested with.
"""


def judge(name: str, certificate: Certificate, tls: Tls) -> list[Result]:
    """Starts the server with an empty directory and runs all cases."""
    mode = TlsMode.EXPLICIT if tls is Tls.EXPLICIT else TlsMode.NONE
    listed = _DEVIATIONS / name
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        Path(work).chmod(0o755)  # servers that drop root have to get in
        root = Path(work) / "root"
        root.mkdir()
        with CONFORMANCE[name](root, certificate, tls) as server:
            target = Target(server.host, server.port, server.user, server.password, mode, _PATIENCE, root=root)
            return run(target, deviations=read_deviations(listed) if listed.exists() else None)


def judge_all(names: list[str], kept: Path) -> None:
    """A file NAME.json in `kept` for each server: {"clear": rows, "tls": rows}."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        certificate = make_certificate(Path(work))
        for name in names:
            found: dict[str, list[dict[str, Any]]] = {}
            for kind, tls in (("clear", Tls.OFF), ("tls", Tls.EXPLICIT)):
                if tls is Tls.EXPLICIT and name in _NO_TLS:
                    continue
                began = time.monotonic()
                try:
                    results = judge(name, certificate, tls)
                except PeerMissing as missing:
                    print(f"{name}: left out, {missing}", file=sys.stderr)
                    break
                found[kind] = [result.as_json() for result in results]
                print(f"{name:10} {kind:5} {time.monotonic() - began:4.0f} s  {sum_up(results)}", flush=True)
            else:
                (kept / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def judge_clients() -> str:
    """The clients' section; their cases are loaded only when they are judged."""
    from conformance.client.matrix import client_results, client_section

    return client_section(client_results())


def read(kept: Path) -> list[Judged]:
    """What was kept, in the order of the tables. Cases that there are no more are left out."""
    known = {case.name for case in all_cases()}
    versions = machine()["versions"]
    servers = []
    for name in CONFORMANCE:
        path = kept / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            clear, secured = (
                {row["name"]: row for row in found.get(kind, []) if row["name"] in known} for kind in ("clear", "tls")
            )
            servers.append(Judged(name, versions.get(name, ""), clear, secured))
    return servers


def draw(servers: list[Judged], clients: str) -> None:
    head = _HEAD.format(system=machine()["system"])
    _DOCUMENT.write_text("\n".join((head, server_section(servers), clients, clause_section())), encoding="utf-8")
    print(f"{_DOCUMENT} is made")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.matrix", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONFORMANCE)}, or clients")
    parser.add_argument("--keep", type=Path, default=_HOME / "build" / "conformance", metavar="DIRECTORY")
    parser.add_argument("--draw", action="store_true", help="judge nothing, draw what was kept")
    given = parser.parse_args(arguments)
    given.keep.mkdir(parents=True, exist_ok=True)
    clients = given.keep / "clients.md"
    if not given.draw:
        names = given.names or [*CONFORMANCE, "clients"]
        judge_all([name for name in names if name != "clients"], given.keep)
        if "clients" in names:
            clients.write_text(judge_clients(), encoding="utf-8")
    servers = read(given.keep)
    draw(servers, clients.read_text(encoding="utf-8") if clients.exists() else "")
    return 1 if any(server.name == "ftlite" and server.broken("MUST") for server in servers) else 0


if __name__ == "__main__":
    sys.exit(main())
