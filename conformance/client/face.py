"""The face for clients: `python -m conformance client`. Exit 0: no MUST fails; 1: one does; 2: wrong usage; 3: the
client cannot be run."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.client.cases import all_cases
from conformance.client.recipes import PLACEHOLDERS, Recipe, check, load, shipped
from conformance.client.record import Deed
from conformance.client.run import ClientResult, Terms, results_of
from conformance.registry import Status
from conformance.server import read_deviations

_EXAMPLE = """
A command is split as a shell would split it, and runs in an empty directory with a home of its own, without a shell.
Placeholders: {places}.
{{url}} holds user and password, {{address}} the user alone, {{path}} is relative to the login directory, {{patience}}
is how many seconds the client should bear silence, {{deadline}} twice that, for clients with one clock for all.

  python -m conformance client --recipe curl
  python -m conformance client --get 'mine get {{url}} {{local}}' --put 'mine put {{local}} {{url}}'
  python -m conformance client -- mine get {{url}} {{local}}
"""


def add_face(faces: Any) -> None:
    client = faces.add_parser(
        "client",
        help="run the cases for clients",
        epilog=_EXAMPLE.format(places=", ".join(f"{{{name}}}" for name in PLACEHOLDERS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    client.add_argument("command", nargs="*", metavar="COMMAND", help="after '--': how the client fetches a file")
    known = ", ".join(recipe.name for recipe in shipped())
    client.add_argument("--recipe", metavar="NAME", help=f"a TOML file of commands, or one of {known}")
    for deed in Deed:
        client.add_argument(f"--{deed.value}", metavar="COMMAND", help=_HELP[deed])
        client.add_argument(f"--tls-{deed.value}", metavar="COMMAND", help=argparse.SUPPRESS)
    client.add_argument("--only", metavar="CLAUSE", help="a clause such as '959 s.4.2', an RFC, or the name of a case")
    client.add_argument("--json", metavar="FILE", type=Path, help="write the results there")
    client.add_argument("--deviations", metavar="FILE", type=Path, help="accepted failures, lines of 'name: reason'")
    client.add_argument("--patience", metavar="S", type=float, default=4.0, help="what {patience} stands for (4)")
    client.add_argument("--limit", metavar="S", type=float, default=25.0, help="the client is killed after that (25)")
    client.add_argument("--jobs", metavar="N", type=int, default=4, help="cases at once (4)")
    client.set_defaults(face=main)


_HELP = {
    Deed.GET: "fetch {path} to {local}; --tls-get and so on: the same, insisting on explicit TLS, trusting {cacert}",
    Deed.PUT: "send {local} to {path}",
    Deed.LIST: "print the names in the login directory",
    Deed.TREE: "fetch the directory {path} as {local}",
    Deed.RESUME: "go on with a fetch that was cut",
    Deed.TRUST: "fetch over TLS and remember the server's key (give it as --tls-trust)",
}


def recipe_of(given: argparse.Namespace) -> Recipe:
    """What the command line says. ValueError: it says nothing, or something unknown; OSError: no such file."""
    base = load(given.recipe) if given.recipe else Recipe("client")
    clear, tls = dict(base.clear), dict(base.tls)
    if given.command:
        clear[Deed.GET] = check(shlex.join(given.command))
    for deed in Deed:
        for table, prefix in ((clear, ""), (tls, "tls_")):
            if template := getattr(given, prefix + deed.value):
                table[deed] = check(template)
    if not clear and not tls:
        raise ValueError("no client is given: use --recipe, --get and its like, or a command after '--'")
    return Recipe(base.name, clear, tls, base.environment, base.files, base.version, base.about)


def main(given: argparse.Namespace) -> int:
    try:
        recipe = recipe_of(given)
        names = {case.name for case in all_cases()}
        accepted = read_deviations(given.deviations, names) if given.deviations else {}
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if not recipe.installed():
        print(f"{recipe.name} is not installed here", file=sys.stderr)
        return 3
    judged = results_of(recipe, given.only, Terms(given.patience, given.limit, given.jobs))
    results = [replace(result, accepted=accepted.get(result.case.name)) for result in judged]
    if not results:
        print(f"no case is named {given.only!r} or belongs to that clause", file=sys.stderr)
        return 2
    show(results)
    if given.json:
        given.json.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n", encoding="utf-8")
    return 1 if any(result.counts for result in results) else 0


def show(results: Sequence[ClientResult]) -> None:
    for result in results:
        case = result.case
        print(f"{result.status.value:5}{case.level.value:7}{case.name:28}{case.clause}")
        if result.status in (Status.FAIL, Status.INFO):
            print(f"     {case.says}")
        if result.remark:
            print(f"     -> {result.remark}")
        if result.accepted is not None:
            print(f"     accepted: {result.accepted}")
    counted = Counter(result.status.value for result in results)
    broken = sum(result.counts for result in results)
    print(", ".join(f"{number} {status}" for status, number in counted.items()) + f"; {broken} MUST broken")
