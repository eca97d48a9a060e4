"""`python -m conformance server URL`: runs the cases and tells. Exit 0: no MUST fails beyond the deviations; 1: one
does; 2: wrong usage; 3: the server cannot be reached."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from conformance.registry import Case, Failed, Level, Skipped, Status, all_cases
from conformance.wire import Target, TlsMode


@dataclass(frozen=True)
class Result:
    case: Case
    status: Status
    remark: str
    accepted: str | None = None  #: the reason given in the list of deviations

    @property
    def counts(self) -> bool:
        """Whether this result makes the run fail."""
        return self.status is Status.FAIL and self.case.level is Level.MUST and self.accepted is None

    def as_json(self) -> dict[str, str | None]:
        case = self.case
        return {
            "name": case.name, "clause": case.clause, "level": case.level.value, "says": case.says,
            "status": self.status.value, "remark": self.remark, "accepted": self.accepted,
        }  # fmt: skip


def run_case(case: Case, target: Target) -> Result:
    """Judges one case; whatever goes wrong on the wire is the server's failure, a refused connection included."""
    try:
        remark = case.check(target)
    except Skipped as reason:
        return Result(case, Status.SKIP, str(reason))
    except Failed as failure:
        return Result(case, Status.INFO if case.level is Level.MAY else Status.FAIL, str(failure))
    except OSError as error:
        return Result(case, Status.FAIL, f"the connection failed: {error}")
    return Result(case, Status.PASS, remark or "")


def run(target: Target, only: str | None = None, deviations: dict[str, str] | None = None) -> list[Result]:
    """Runs every case, or those that `only` means."""
    accepted = deviations or {}
    results = []
    for case in all_cases():
        if only is None or case.matches(only):
            result = run_case(case, target)
            results.append(Result(case, result.status, result.remark, accepted.get(case.name)))
    return results


def read_deviations(path: Path) -> dict[str, str]:
    """Lines of `name: reason`; `#` begins a comment line. ValueError names what is no case or has no reason."""
    known = {case.name for case in all_cases()}
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


def show(results: list[Result]) -> None:
    for result in results:
        print(f"{result.status.value:5}{result.case.level.value:7}{result.case.name:32}{result.case.clause}")
        if result.status is not Status.PASS:
            print(f"     {result.case.says}")
        if result.remark:
            print(f"     -> {result.remark}")
        if result.accepted is not None:
            stale = "" if result.status is Status.FAIL else ", but it does not fail: take it off the list"
            print(f"     accepted: {result.accepted}{stale}")
    counted = Counter(result.status.value for result in results)
    broken = sum(result.counts for result in results)
    print(", ".join(f"{number} {status}" for status, number in counted.items()) + f"; {broken} MUST broken")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description="Judge an FTP server by the RFCs.")
    faces = parser.add_subparsers(required=True)
    server = faces.add_parser("server", help="run the cases for servers")
    server.add_argument("url", help="ftp://user:password@host:port, or ftpes:// or ftps:// for TLS")
    server.add_argument("--tls", choices=[mode.value for mode in TlsMode], help="in place of what the scheme says")
    server.add_argument("--only", metavar="CLAUSE", help="a clause such as '959 s.4.2', an RFC, or the name of a case")
    server.add_argument("--json", metavar="FILE", type=Path, help="write the results there")
    server.add_argument("--deviations", metavar="FILE", type=Path, help="accepted failures, lines of 'name: reason'")
    given = parser.parse_args(arguments)
    try:
        target = Target.parse(given.url, TlsMode(given.tls) if given.tls else None)
        accepted = read_deviations(given.deviations) if given.deviations else {}
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with target.raw():
            pass
    except (OSError, Failed) as error:
        print(f"{target.host} port {target.port} cannot be reached: {error}", file=sys.stderr)
        return 3
    results = run(target, given.only, accepted)
    if not results:
        print(f"no case is named {given.only!r} or belongs to that clause", file=sys.stderr)
        return 2
    show(results)
    if given.json:
        given.json.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n", encoding="utf-8")
    return 1 if any(result.counts for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
