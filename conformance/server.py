"""The face for servers: runs the cases, one after the other, and tells what came of them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.registry import Case, Failed, Level, Skipped, Status, all_cases
from conformance.wire import Target, TlsMode

_LONGEST = 30.0  #: seconds for one case
_MOST_SAID = 1000  #: characters of a remark, which may quote what a server sent


@dataclass(frozen=True)
class Result:
    case: Case
    status: Status
    remark: str
    accepted: str | None = None  #: the reason given in the list of deviations
    seconds: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether this result makes the run fail."""
        return self.status is Status.FAIL and self.case.level is Level.MUST and self.accepted is None

    def as_json(self) -> dict[str, str | float | None]:
        case = self.case
        return {
            "name": case.name, "chapter": case.chapter, "clause": case.clause, "level": case.level.value,
            "says": case.says, "means": case.means, "status": self.status.value, "remark": self.remark,
            "accepted": self.accepted, "seconds": round(self.seconds, 3),
        }  # fmt: skip


def run_case(case: Case, target: Target) -> Result:
    """Judges one case; whatever goes wrong on the wire is the server's failure, a refused connection included."""
    began = time.monotonic()
    status, remark = _judge(case, replace(target, deadline=began + _LONGEST))
    return Result(case, status, remark, seconds=time.monotonic() - began)


def _judge(case: Case, target: Target) -> tuple[Status, str]:
    try:
        remark = case.check(target)
    except Skipped as reason:
        return Status.SKIP, str(reason)
    except Failed as failure:
        return Status.INFO if case.level is Level.MAY else Status.FAIL, str(failure)[:_MOST_SAID]
    except OSError as error:
        return Status.FAIL, f"the connection failed: {error}"
    return Status.PASS, remark or ""


def run(
    target: Target,
    only: str | None = None,
    deviations: dict[str, str] | None = None,
    tell: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Runs every case, or those that `only` means; `tell` hears of each result at once."""
    accepted = deviations or {}
    results = []
    for case in all_cases():
        if only is None or case.matches(only):
            result = replace(run_case(case, target), accepted=accepted.get(case.name))
            results.append(result)
            if tell is not None:
                tell(result)
    return results


def read_deviations(path: Path, known: Collection[str] | None = None) -> dict[str, str]:
    """Lines of `name: reason`; `#` begins a comment line. ValueError names what is no case or has no reason.

    `known` are the names that may stand there, those of the cases for servers unless given.
    """
    known = {case.name for case in all_cases()} if known is None else known
    accepted = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition(":")
        if name.strip() not in known:
            raise ValueError(f"{path}: {name.strip()!r} is no case")
        if not reason.strip():
            raise ValueError(f"{path}: {name.strip()} has no reason")
        accepted[name.strip()] = reason.strip()
    return accepted


def show(result: Result) -> None:
    case = result.case
    print(f"{result.status.value:5}{case.level.value:7}{case.name:32}{case.clause}", flush=True)
    if result.status is not Status.PASS:
        print(f"     {case.says}")
    if result.status is Status.FAIL:
        print(f"     {case.means}")
    if result.remark:
        print(f"     -> {result.remark}")
    if result.accepted is not None:
        stale = "" if result.status is Status.FAIL else ", but it does not fail: take it off the list"
        print(f"     accepted: {result.accepted}{stale}")


def sum_up(results: list[Result]) -> str:
    counted = Counter(result.status.value for result in results)
    broken = sum(result.counts for result in results)
    return ", ".join(f"{number} {status}" for status, number in counted.items()) + f"; {broken} MUST broken"


def add_face(faces: Any) -> None:
    server = faces.add_parser("server", help="run the cases for servers")
    server.add_argument("url", help="ftp://user:password@host:port/directory, or ftpes:// or ftps:// for TLS")
    server.add_argument("--tls", choices=[mode.value for mode in TlsMode], help="in place of what the scheme says")
    server.add_argument("--root", metavar="DIR", type=Path, help="where this machine's disk has the URL's directory")
    server.add_argument("--only", metavar="CLAUSE", help="a clause such as '959 s.4.2', an RFC, a chapter, or a case")
    server.add_argument("--json", metavar="FILE", type=Path, help="write the results there")
    server.add_argument("--deviations", metavar="FILE", type=Path, help="accepted failures, lines of 'name: reason'")
    server.add_argument("--patience", metavar="SECONDS", type=float, default=10.0, help="the longest wait (default 10)")
    server.set_defaults(face=main)


def main(given: argparse.Namespace) -> int:
    try:
        target = Target.parse(given.url, TlsMode(given.tls) if given.tls else None)
        target = replace(target, patience=given.patience, root=given.root)
        accepted = read_deviations(given.deviations) if given.deviations else {}
        if given.root is not None and not given.root.is_dir():
            raise ValueError(f"--root {given.root} is no directory")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with target.raw():
            pass
    except (OSError, Failed) as error:
        print(f"{target.host} port {target.port} cannot be reached: {error}", file=sys.stderr)
        return 3
    results = run(target, given.only, accepted, show)
    if not results:
        print(f"no case is named {given.only!r} or belongs to that clause", file=sys.stderr)
        return 2
    print(sum_up(results))
    if given.json:
        given.json.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n", encoding="utf-8")
    return 1 if any(result.counts for result in results) else 0
