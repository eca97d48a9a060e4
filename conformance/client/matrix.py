"""The clients' part of docs/conformance.md: every case beside every client that is installed."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from conformance.client.cases import all_cases
from conformance.client.recipes import Recipe, shipped
from conformance.client.run import ClientResult, Terms, results_of
from conformance.registry import Level, Status

_SIGNS = {Status.PASS: "yes", Status.FAIL: "**no**", Status.SKIP: "-", Status.INFO: "no"}


def client_results(terms: Terms | None = None) -> dict[Recipe, list[ClientResult]]:
    """Every case for every shipped recipe whose program is installed; about half a minute a client. Says which."""
    found = {}
    for recipe in shipped():
        if recipe.installed():
            print(f"clients: {recipe.name}", file=sys.stderr, flush=True)
            found[recipe] = results_of(recipe, None, terms or Terms())
    return found


def client_section(results: Mapping[Recipe, Sequence[ClientResult]]) -> str:
    """Markdown, from a heading of the second level on: a summary, what each breaks, and the matrix."""
    return "\n\n".join(("## Clients", _INTRODUCTION, _summary(results), _matrix(results), _broken(results))) + "\n"


_INTRODUCTION = """A scripted server plays each case for each client, called as `conformance/recipes/` says. "yes": as
the clause asks; "**no**": not, where it is a MUST or SHOULD; "no": not, where it is a MAY; "-": the client has no way
to do it, or does not do it even where all is plain, so that its failing would prove nothing. `python -m conformance
client --recipe NAME` repeats one; `--get 'mine {url} {local}'` judges a client that has no recipe."""


def _summary(results: Mapping[Recipe, Sequence[ClientResult]]) -> str:
    lines = ["| client | pass | MUST broken | SHOULD broken | not judged |", "|---|---|---|---|---|"]
    for recipe, those in results.items():
        broken = Counter(result.case.level for result in those if result.status is Status.FAIL)
        counted = Counter(result.status for result in those)
        lines.append(
            f"| {plain(recipe.shown_version()) or recipe.name} | {counted[Status.PASS]} | {broken[Level.MUST]} | "
            f"{broken[Level.SHOULD]} | {counted[Status.SKIP]} |"
        )
    return "\n".join(lines)


def _matrix(results: Mapping[Recipe, Sequence[ClientResult]]) -> str:
    names = [recipe.name for recipe in results]
    lines = ["| case | clause | level | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for at, case in enumerate(all_cases()):
        signs = " | ".join(_SIGNS[those[at].status] for those in results.values())
        lines.append(f"| {case.name} | {case.clause} | {case.level.value} | {signs} |")
    return "\n".join(lines)


def _broken(results: Mapping[Recipe, Sequence[ClientResult]]) -> str:
    """For each case that somebody breaks: what it is, and what each does instead."""
    parts = ["### What was seen"]
    for at, case in enumerate(all_cases()):
        remarks = {
            recipe.name: those[at].remark
            for recipe, those in results.items()
            if those[at].status in (Status.FAIL, Status.INFO)
        }
        if remarks:
            parts.append(f"**{case.name}** ({case.level.value}, {case.clause}). {case.says}")
            parts.append("\n".join(f"- {name}: {plain(remark)}" for name, remark in remarks.items()))
    return "\n\n".join(parts)


def plain(remark: str) -> str:
    """Without what differs from run to run, and without what would become markup."""
    remark = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", remark)
    remark = re.sub(r"((?:127\.0\.0\.1|::1\]?):)\d+", r"\1PORT", remark)
    remark = re.sub(r"conformance-\w+/", "conformance-N/", remark)
    return remark.replace("`", "'").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
