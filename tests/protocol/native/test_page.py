"""The ABNF of docs/protocol.md and the rows of facts say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ftlite.protocol.native import answers, requests
from ftlite.protocol.native.values import Rows

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
BLOCK = PAGE.partition("### All lines, in ABNF\n")[2].partition("\n#")[0]
#: Rule of the page -> its text, to the end of its last line.
RULES = dict(re.findall(r"^    ([a-z-]+) += (.*(?:\n {20}.*)*)", BLOCK, re.MULTILINE))

FACTS: dict[str, Rows] = {
    "get": requests.FACTS[requests.GetRequest],
    "put": requests.FACTS[requests.PutRequest],
    "get-tree": requests.FACTS[requests.GetTreeRequest],
    "put-tree": requests.FACTS[requests.PutTreeRequest],
    "done": requests.FACTS[requests.DoneRequest],
    "hash": requests.FACTS[requests.HashRequest],
    "wait": requests.FACTS[requests.WaitRequest],
    "begun": answers.FACTS[answers.Begun],
    "working": answers.FACTS[answers.Working],
    "moved": answers.FACTS[answers.Moved],
    "told": answers.FACTS[answers.Told],
    "refusal": answers.FACTS[answers.Refusal],
}
_TYPED = ("get", "put", "get-tree", "put-tree")  # `type` chooses which request it is, so it is in no row


@pytest.mark.parametrize("name", FACTS)
def test_the_facts_of_a_line(name: str) -> None:
    said = re.findall(r'"([a-z0-9]+)=', RULES[f"{name}-fact"])
    assert len(said) == len(set(said))
    assert set(said) == set(FACTS[name].by_name) | ({"type"} if name in _TYPED else set())


def test_every_kind_of_line_is_there() -> None:
    without_facts = {requests.FailRequest, requests.ListRequest, requests.AbortRequest}
    kinds: set[Any] = {*requests.FACTS, *answers.FACTS}
    assert len(FACTS) == len(kinds - without_facts)
    assert {"fail", "list", "abort", "plain-wait"} <= set(RULES)


def test_each_rule_is_defined() -> None:
    grammar = "\n".join(line for line in BLOCK.splitlines() if line.startswith("    "))
    used = set(re.findall(r"\b[a-z]+(?:-[a-z]+)*\b", re.sub(r'"[^"]*"|;.*', "", grammar)))
    assert "tag-fact" in used
    assert used <= set(re.findall(r"^    ([a-z-]+) +=", PAGE, re.MULTILINE))
