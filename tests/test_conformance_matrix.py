"""docs/conformance.md is drawn from results: a row a case, two kinds in one word, nothing that becomes markup."""

from __future__ import annotations

import re
from typing import Any

from conformance.matrix import Judged, clause_section, document, server_section
from conformance.registry import Case, all_cases

FIRST, SECOND = all_cases()[:2]


def row(case: Case, status: str, remark: str = "", accepted: str | None = None) -> dict[str, Any]:
    return {
        "name": case.name, "level": case.level.value, "status": status, "remark": remark, "accepted": accepted
    }  # fmt: skip


def judged(clear: list[dict[str, Any]], secured: list[dict[str, Any]] | None = None) -> Judged:
    return Judged("one", "1.0", {each["name"]: each for each in clear}, {each["name"]: each for each in secured or []})


def test_a_word_tells_both_kinds_where_they_differ() -> None:
    server = judged([row(FIRST, "pass"), row(SECOND, "pass")], [row(FIRST, "fail"), row(SECOND, "skip")])
    assert server.sign(FIRST.name) == "yes/**no**"
    assert server.sign(SECOND.name) == "yes", "what could not be judged says nothing"
    assert judged([row(FIRST, "skip")], [row(FIRST, "skip")]).sign(FIRST.name) == "-"


def test_a_deviation_is_listed_and_not_broken() -> None:
    server = judged([row(FIRST, "fail", accepted="because"), row(SECOND, "fail")])
    assert server.sign(FIRST.name) == "listed"
    assert server.broken("MUST") == [SECOND.name]


def test_what_is_broken_in_one_kind_is_told_with_what_was_seen_there() -> None:
    seen = "it said `|` and <b> in /conformance-12-34/x"
    text = server_section([judged([row(FIRST, "pass")], [row(FIRST, "fail", seen)])])
    assert f"- {FIRST.name} ({FIRST.clause}): it said `\\|` and &lt;b> in /conformance-N/x. {FIRST.means}" in text


def test_every_case_has_a_row_of_as_many_cells_as_the_head() -> None:
    results = [row(case, "pass") for case in all_cases()]
    lines = server_section([judged(results), judged(results)]).splitlines()
    rows = [line for line in lines if line.startswith("| <b>")]
    assert len(rows) == len(all_cases())
    assert {len(re.split(r"(?<!\\)\|", line)) for line in rows} == {6}


def test_every_clause_has_a_row() -> None:
    text = clause_section()
    assert f"| {FIRST.clause} |" in text
    assert all(len(re.split(r"(?<!\\)\|", line)) == 6 for line in text.splitlines() if line.startswith("| "))


def test_documents() -> None:
    assert document("RFC 959 s.4.1.3 STOR") == "RFC 959"
    assert document("RFC 959 app.II PWD") == "RFC 959"
    assert document("RFC 854") == "RFC 854"
