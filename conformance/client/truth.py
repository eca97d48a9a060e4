"""Who tells the truth? What clients say and leave when a server fails, as a table: `python -m conformance truth`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.client.cases import all_cases
from conformance.client.matrix import plain
from conformance.client.recipes import Recipe, load
from conformance.client.run import ClientResult, Terms, run_cases
from conformance.registry import Status

CLIENTS = ("ftlite", "curl", "lftp", "ncftp", "tnftp", "wget", "rclone", "ftplib")

#: The case and what the server does in it, in the words of the table.
TRUTHS = {
    "retr-half-226": "half a file, then 226; SIZE tells the size",
    "retr-half-226-no-size": "half a file, then 226; nothing tells the size",
    "retr-half-426": "half a file, then 426",
    "retr-whole-451": "all of the file, then 451",
    "retr-reset": "the data connection is reset, then 226",
    "retr-stalls": "the data stops, nothing is closed",
    "retr-no-final-reply": "all of the file, then silence",
    "retr-unconfirmed": "all of the file, then the control connection ends",
    "retr-control-dies": "the control connection ends, the data stops",
    "retr-both-die": "half a file, then both connections end",
    "retr-550": "no such file",
    "greeting-none": "accepts and never greets",
    "login-530": "refuses the login",
    "pasv-other-host-get": "227 names another host",
    "epsv-closed-port": "229 names a port where nobody listens",
    "list-garbage": "the listing is noise",
    "list-half-426": "half a listing, then 426",
    "stor-553": "refuses STOR by 553",
    "stor-452": "refuses STOR by 452, no room",
    "stor-half-552": "stops reading in the middle, then 552",
    "stor-whole-552": "reads all, then 552",
    "stor-whole-452": "reads all, then 452",
    "stor-half-226": "stops reading in the middle, then 226",
    "stor-short-226": "reads all, keeps half, then 226; SIZE tells the half",
    "stor-no-final-reply": "reads all, then silence",
    "stor-stalls": "stops reading, nothing is closed",
    "tls-truncated": "TLS: half a file without close_notify, then 226",
    "tls-auth-502-get": "TLS: refuses AUTH",
    "tls-prot-refused-get": "TLS: refuses PROT P",
    "tls-self-signed": "TLS: a certificate that nobody vouches for",
    "tls-certificate-changed": "TLS: another key than the one remembered",
}


def truths_of(recipe: Recipe, terms: Terms) -> list[ClientResult]:
    known = {case.name: case for case in all_cases()}
    return run_cases([known[name] for name in TRUTHS], recipe, terms)


def cell(result: ClientResult) -> str:
    """One result in a few words."""
    run = result.run
    left = f", leaves {result.partial}" if result.partial is not None else ""
    if run is None or (result.status is Status.SKIP and not left):
        return "-"
    if run.killed:
        return f"**hangs**{left}"
    if run.exit != 0:
        word = "told" if result.status is Status.PASS else "**told, but**"
        return f"{word}: {run.exit}, {run.seconds:.1f} s{left}"
    if result.status is Status.PASS:
        return f"right: 0, {run.seconds:.1f} s"
    return f"**not told**: 0, {run.seconds:.1f} s{left}"


def table(results: Mapping[str, Sequence[ClientResult]]) -> str:
    """Cases down, clients across, as Markdown."""
    names = list(results)
    lines = ["| the server | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for at, what in enumerate(TRUTHS.values()):
        lines.append(f"| {what} | " + " | ".join(cell(results[name][at]) for name in names) + " |")
    return "\n".join(lines)


def remarks(results: Mapping[str, Sequence[ClientResult]]) -> str:
    """What the table's bold cells are about, client by client."""
    lines = []
    for name, those in results.items():
        bad = [result for result in those if result.status in (Status.FAIL, Status.INFO) and result.run is not None]
        lines += [f"- {name}, {TRUTHS[result.case.name]}: {plain(result.remark)}" for result in bad]
    return "\n".join(lines)


_PAGE = """# Who tells the truth?

What clients say when a server fails, and what they leave under the file's name. Made by `make truth`: a scripted
server (`conformance/client/`) plays each case for each client, called as `conformance/recipes/` says, one try each and
told to bear {patience:g} s of silence. Nobody's text is read: what counts is the exit code, since that is what a script
sees. Seconds are from start to exit, on a machine that did other things too.

- **told**: the exit code was not 0. After it the seconds, and how many octets of the {size} stand under the name.
- **right**: exit 0, and what was asked for is done in spite of the server.
- **not told**: exit 0, and it is not. **hangs**: still there after {limit:g} s, then killed.
- **told, but**: the exit is right, and something else is wrong; see below.
- "-": the client cannot do it (no TLS, no trust on first use), or does not even when all is well.

{table}

Versions: {versions}.

In clear, and without a size, half a file cannot be told from a whole one; ftlite then says `verified: none` and warns,
and `--require size` makes it exit 7. lftp asks again by itself, which heals some cuts. tnftp lists by commands on its
standard input, after which it exits 0 whatever they did. Noise that a client passes on as it is counts as right.

## What is wrong in the bold cells, and what else was seen

{remarks}
"""


def page(recipes: Sequence[Recipe], results: Mapping[str, Sequence[ClientResult]], terms: Terms) -> str:
    size = all_cases()[0].content
    versions = "; ".join(f"{recipe.name}: {recipe.shown_version() or 'unknown'}" for recipe in recipes)
    return _PAGE.format(
        patience=terms.patience, limit=terms.limit, size=f"{len(size):,}", table=table(results), versions=versions,
        remarks=remarks(results).strip(),
    )  # fmt: skip


def add_face(faces: Any) -> None:
    truth = faces.add_parser("truth", help="a table of what clients say when a server fails")
    truth.add_argument("clients", nargs="*", metavar="RECIPE", default=CLIENTS, help="all that are shipped, by default")
    truth.add_argument("--out", metavar="FILE", type=Path, help="write the page there instead of to stdout")
    truth.add_argument("--json", metavar="FILE", type=Path, help="write the results there")
    truth.add_argument("--patience", metavar="S", type=float, default=3.0, help="what {patience} stands for (3)")
    truth.add_argument("--limit", metavar="S", type=float, default=20.0, help="a client is killed after that (20)")
    truth.add_argument("--jobs", metavar="N", type=int, default=4, help="cases at once (4)")
    truth.set_defaults(face=main)


def main(given: argparse.Namespace) -> int:
    try:
        recipes = [load(name) for name in given.clients]
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    there = [recipe for recipe in recipes if recipe.installed()]
    for recipe in recipes:
        if recipe not in there:
            print(f"{recipe.name} is not installed here and left out", file=sys.stderr)
    terms = Terms(given.patience, given.limit, given.jobs)
    results = {recipe.name: truths_of(recipe, terms) for recipe in there}
    text = page(there, results, terms)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    if given.json:
        told = {name: [result.as_json() for result in those] for name, those in results.items()}
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0
