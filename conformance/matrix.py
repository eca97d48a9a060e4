"""The servers' part of docs/conformance.md: every case beside every server, and every clause with its cases.

Results are taken as `--json` writes them, so that they can be drawn again without being measured again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.clauses import all_clauses, cases_of
from conformance.registry import Case, all_cases

Row = Mapping[str, Any]  #: one result, as `Result.as_json` has it
_SIGNS = {"pass": "yes", "fail": "**no**", "skip": "-", "info": "no"}
_LEVELS = ("MUST", "SHOULD", "MAY")
_INTRODUCTION = """\
Each server was started with an empty directory and judged by all cases of `python -m conformance server`, in clear and
(aioftp apart, which has no AUTH) over explicit TLS. "yes": as the clause asks; "**no**": not, where it is a MUST or
SHOULD; "no": not, where it is a MAY; "-": it cannot be judged there, mostly because the server does not know the verb.
Two words are what it does in clear and over TLS, where they differ; "listed" is a deviation that the server's authors
give a reason for."""


@dataclass(frozen=True)
class Judged:
    """One server. `clear` and `secured` are the results by case, `secured` empty where it has no TLS."""

    name: str
    version: str
    clear: Mapping[str, Row]
    secured: Mapping[str, Row]

    def rows(self) -> list[Row]:
        return [*self.clear.values(), *self.secured.values()]

    def sign(self, case: str) -> str:
        """The word in the matrix: one for both kinds where they agree, or where only one could be judged."""
        signs = [_sign(results[case]) for results in (self.clear, self.secured) if case in results]
        told = [sign for sign in signs if sign != "-"] or signs[:1]
        return "/".join(dict.fromkeys(told))

    def broken(self, level: str) -> list[str]:
        """The cases of a level that it fails in either kind, and that are no deviations."""
        failed = {row["name"] for row in self.rows() if row["level"] == level and _sign(row) == "**no**"}
        return [case.name for case in all_cases() if case.name in failed]


def server_section(servers: Sequence[Judged]) -> str:
    """Markdown, from a heading of the second level on: a summary, what each breaks, the matrix."""
    parts = ["## Servers", _INTRODUCTION, _summary(servers), "### What each server breaks"]
    parts += [_broken(server) for server in servers]
    parts += ["### Case by case", _matrix(servers)]
    return "\n\n".join(parts) + "\n"


def clause_section() -> str:
    """Markdown: each clause with its cases, or with the reason why none can judge it."""
    lines = ["| clause | asks | cases | not judged, and why |", "|---|---|---|---|"]
    for clause in all_clauses():
        names = ", ".join(case.name for case in cases_of(clause, all_cases()))
        lines.append(f"| {clause.number} | {_cell(clause.about)} | {names} | {_cell(clause.untested)} |")
    return "## Clauses\n\n" + "\n".join(lines) + "\n"


def _summary(servers: Sequence[Judged]) -> str:
    lines = ["| server | version | as asked | MUST broken | listed | SHOULD broken | MAY not done | not judged |"]
    lines.append("|---" * 8 + "|")
    for server in servers:
        count = Counter(_sign(row) for row in server.clear.values())
        must, should = (len(server.broken(level)) for level in ("MUST", "SHOULD"))
        cells = (server.name, server.version, count["yes"], must, count["listed"], should, count["no"], count["-"])
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines.append("")
    lines.append(
        f"Of {len(all_cases())} cases; the counts of broken clauses are of both kinds together, the others in clear."
    )
    return "\n".join(lines)


def _broken(server: Judged) -> str:
    """The MUSTs with what was seen, the SHOULDs by name."""
    lines = [f"**{server.name}** {server.version}", ""]
    known = {case.name: case for case in all_cases()}
    for name in server.broken("MUST"):
        rows = [results[name] for results in (server.clear, server.secured) if name in results]
        row = next(row for row in rows if _sign(row) == "**no**")
        case = known[name]
        lines.append(f"- {name} ({case.clause}): {_cell(_steady(row['remark'])).rstrip('.')}. {_cell(case.means)}")
    if should := server.broken("SHOULD"):
        lines.append(f"- SHOULD: {', '.join(should)}.")
    if len(lines) == 2:
        lines.append("- nothing")
    return "\n".join(lines)


def _matrix(servers: Sequence[Judged]) -> str:
    head = "| case | level | " + " | ".join(server.name for server in servers) + " |"
    rule = "|---" * (len(servers) + 2) + "|"
    parts: list[str] = []
    for document, cases in _by_document().items():
        lines = [f"#### {document}", "", head, rule]
        for case in cases:
            signs = " | ".join(server.sign(case.name) for server in servers)
            says = f"<b>{case.name}</b> ({_place(case)}) {_cell(case.says)}"
            lines.append(f"| {says} | {case.level.value} | {signs} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _by_document() -> dict[str, list[Case]]:
    """Cases by the document that they judge, documents in the order of their first case."""
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        found.setdefault(document(case.clause), []).append(case)
    return found


def document(clause: str) -> str:
    """The RFC, draft or file that a clause stands in."""
    return re.split(r" (?=s\.|app\.)", clause, maxsplit=1)[0]


def _place(case: Case) -> str:
    return case.clause.removeprefix(document(case.clause)).strip() or "as a whole"


def _sign(row: Row) -> str:
    return "listed" if row["status"] == "fail" and row["accepted"] else _SIGNS[row["status"]]


def _steady(remark: str) -> str:
    """Without what differs from run to run: names of places, ports, dates."""
    remark = re.sub(r"conformance-\d+-\d+", "conformance-N", remark)
    return remark if len(remark) <= 200 else remark[:197] + "..."


def _cell(text: str) -> str:
    """What a server says must not become markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")
