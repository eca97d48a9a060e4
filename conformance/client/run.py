"""Runs the cases for clients against a client, several at once, since most of their time is waiting."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.client.cases import ClientCase, all_cases
from conformance.client.play import Play
from conformance.client.recipes import Recipe, run, values
from conformance.client.record import Deed, Run, Seen
from conformance.client.script import ABSOLUTE, EVIL
from conformance.registry import Failed, Level, Skipped, Status


@dataclass(frozen=True)
class Terms:
    """`patience`: seconds that a client is asked to wait for a silent server. `limit`: seconds that it gets."""

    patience: float = 4.0
    limit: float = 25.0
    jobs: int = 4


@dataclass(frozen=True)
class ClientResult:
    case: ClientCase
    status: Status
    remark: str
    run: Run | None = None
    partial: int | None = None  #: octets under the local name that are not the whole file
    accepted: str | None = None  #: the reason given in the list of deviations

    @property
    def counts(self) -> bool:
        """Whether this result makes the run fail."""
        return self.status is Status.FAIL and self.case.level is Level.MUST and self.accepted is None

    def as_json(self) -> dict[str, str | int | float | None]:
        case = self.case
        return {
            "name": case.name, "clause": case.clause, "level": case.level.value, "says": case.says,
            "deed": case.deed.value, "tls": case.tls, "status": self.status.value, "remark": self.remark,
            "exit": self.run.exit if self.run else None, "seconds": round(self.run.seconds, 2) if self.run else None,
            "partial": self.partial, "accepted": self.accepted,
        }  # fmt: skip


#: The case that must go well before anything else of its kind says something: a client that cannot fetch a plain file
#: would pass every case in which it is to fail.
_PLAIN = {
    (Deed.GET, False): "greeting", (Deed.PUT, False): "stor", (Deed.LIST, False): "list", (Deed.TREE, False): "tree",
    (Deed.GET, True): "tls-get", (Deed.PUT, True): "tls-put", (Deed.LIST, True): "tls-list",
}  # fmt: skip


def results_of(recipe: Recipe, only: str | None = None, terms: Terms | None = None) -> list[ClientResult]:
    """Every case, or those that `only` means, in their order."""
    return run_cases([case for case in all_cases() if only is None or case.matches(only)], recipe, terms or Terms())


def run_cases(cases: Sequence[ClientCase], recipe: Recipe, terms: Terms) -> list[ClientResult]:
    """As many at once as `terms` say. Cases are skipped for a deed that does not even go well where all is plain."""
    plain = {_plain(case) for case in cases}
    with ThreadPoolExecutor(terms.jobs) as pool:

        def run_all(some: Iterable[ClientCase]) -> dict[str, ClientResult]:
            return {done.case.name: done for done in pool.map(lambda case: run_case(case, recipe, terms), some)}

        done = run_all(case for case in all_cases() if case.name in plain)
        broken = {name for name, result in done.items() if result.status is not Status.PASS}
        done |= run_all(case for case in cases if case.name not in done and _plain(case) not in broken)
    return [done.get(case.name) or _pointless(case, done[_plain(case)]) for case in cases]


def _plain(case: ClientCase) -> str:
    return _PLAIN[Deed.GET if case.deed in _FIRST else case.deed, case.tls]


def _pointless(case: ClientCase, plain: ClientResult) -> ClientResult:
    why = plain.remark if plain.status is Status.SKIP else f"{plain.case.name} does not go well"
    return ClientResult(case, Status.SKIP, why)


def run_case(case: ClientCase, recipe: Recipe, terms: Terms) -> ClientResult:
    """Runs the client once, or twice where there is a prelude, and judges it."""
    seen: Seen | None = None
    try:
        seen = perform(case, recipe, terms)
        remark = case.judge(seen)
        status = Status.PASS
    except Skipped as reason:
        status, remark = Status.SKIP, str(reason)
    except Failed as failure:
        status, remark = Status.INFO if case.level is Level.MAY else Status.FAIL, str(failure)
    partial = None
    if seen is not None and seen.left not in (None, case.content, case.before):
        partial = len(seen.left or b"")
    return ClientResult(case, status, remark or "", seen.run if seen else None, partial)


def perform(case: ClientCase, recipe: Recipe, terms: Terms) -> Seen:
    """Serves the script, runs the command, and says what was seen; what is on the disk is read by then."""
    template = recipe.template(case)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        work = place / "work"
        work.mkdir()
        local = work / {Deed.PUT: "send.bin", Deed.TREE: "tree"}.get(case.deed, "got.bin")
        if case.deed is Deed.PUT:
            local.write_bytes(case.content)
        elif case.before is not None:
            local.write_bytes(case.before)
        try:
            play = stack.enter_context(Play(case.prelude or case.script))
        except OSError as error:
            raise Skipped(f"the scripted server cannot listen: {error}") from error
        given = values(case, case.script.address, play.port, place, local, terms.patience)
        if case.prelude is not None:
            _before(case, run(recipe, recipe.template(case, _FIRST[case.deed]), given, work, terms.limit))
            play.script = case.script
            play.record.heard.clear()
        done = run(recipe, template, given, work, terms.limit)
        tree = _files(local) if case.deed is Deed.TREE else {}
        left = local.read_bytes() if case.deed is not Deed.PUT and local.is_file() else None
        return Seen(case.script, play.record, done, case.deed, case.content, left, tree, _strays(case, place, local))


_FIRST = {Deed.RESUME: Deed.GET, Deed.TRUST: Deed.TRUST}


def _before(case: ClientCase, first: Run) -> None:
    """Skips what makes no sense after such a first run."""
    if case.deed is Deed.RESUME and first.exit == 0:
        raise Skipped("exit 0 for half a file, so nobody would resume")
    if case.deed is Deed.TRUST and first.exit != 0:
        raise Skipped(f"did not trust the server on first use: {first.last_words}")


def _files(directory: Path) -> dict[str, bytes]:
    """What stands below a directory; what was reached through links counts where it lies."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _strays(case: ClientCase, place: Path, local: Path) -> tuple[str, ...]:
    """Where hostile names, which hold a word of their own, came to be elsewhere than below `local`."""
    found = [path for path in place.rglob(f"*{EVIL}*") if not path.is_relative_to(local)]
    outside = Path(ABSOLUTE)
    lists_it = any(os.fsencode(outside) == entry.name for entry in case.script.listed(b"/tree") or ())
    if lists_it and outside.exists():
        outside.unlink()
        found.append(outside)
    return tuple(str(path.relative_to(place)) if path.is_relative_to(place) else str(path) for path in found)
