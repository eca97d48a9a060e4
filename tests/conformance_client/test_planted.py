"""The cases for clients can fail: a small client that is wrong in one place is caught by the cases that claim it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.client.cases import all_cases
from conformance.client.face import show
from conformance.client.recipes import Recipe
from conformance.client.record import Deed
from conformance.client.run import ClientResult, Terms, run_case, run_cases
from conformance.registry import Level, Status

_TINY = Path(__file__).with_name("tiny_client.py")
_TERMS = Terms(patience=4.0, limit=16.0, jobs=8)
pytestmark = pytest.mark.timeout(600)


def tiny(fault: str = "") -> Recipe:
    call = f"{sys.executable} -S -E {_TINY} {fault}" + " {deed} {{host}} {{port}} {{user}} {{password}} '{{path}}' "
    clear = {deed: (call + "{{local}} {{patience}} -").format(deed=deed.value) for deed in Deed}
    tls = {deed: (call + "{{local}} {{patience}} {{cacert}}").format(deed=deed.value) for deed in Deed}
    return Recipe("tiny", clear, tls)


#: Fault -> the cases that must notice it, each by a MUST or SHOULD that fails.
PLANTED = {
    "one-line": "greeting-multiline reply-multiline-login reply-multiline-transfer",
    "same-code-ends": "greeting-multiline greeting-multiline-long",
    "any-code-ends": "greeting-multiline-codes",
    "a-read-is-a-reply": "reply-in-pieces",
    "drops-what-follows": "retr-replies-together",
    "text-decides": "reply-text-misleads",
    "strict-utf8": "greeting-latin1",
    "talks-first": "greeting-waited-for",
    "120-is-all": "greeting-120",
    "lf-alone": "commands-end-in-crlf",
    "pipelines": "commands-in-turn",
    "no-clock": "greeting-none retr-no-final-reply",
    "no-goodbye": "quit-said",
    "ascii": "type-image-get type-image-put",
    "type-may-fail+no-comparing": "type-image-refused type-image-refused-put",
    "exact-codes": "retr-125 retr-250 stor-125-250",
    "no-last-word+no-comparing": "retr-half-426 retr-whole-451 stor-whole-552 stor-552-late",
    "an-end-will-do": "retr-unconfirmed stor-unconfirmed list-unconfirmed",
    "226-ends-data": "retr-226-early",
    "no-comparing": "retr-half-226",
    "a-reset-will-do+no-comparing": "retr-reset",
    "believes-150": "retr-150-size-wrong",
    "under-the-name": "partial-426 partial-550 old-kept-426",
    "sent-is-sent": "stor-half-226",
    "brackets": "pasv-form-bare pasv-form-equals",
    "believes-227": "pasv-other-host-get",
    "epsv-alone": "epsv-500 epsv-522 minimum-server-get",
    "bars-only": "epsv-delimiter",
    "530-is-fine": "login-530",
    "always-pass": "login-without-password",
    "raw-names": "name-crlf-get name-lf-put",
    "latin-1-names": "name-utf8",
    "rest-may-fail+no-comparing": "resume-rest-502",
    "rest-and-more": "resume-order",
    "short-listing": "list-many",
    "any-name": "tree-name-parent tree-name-absolute",
    "holes-will-do": "tree-one-refused tree-one-cut",
    "tls-if-it-goes": "tls-auth-502-get tls-auth-534-put tls-not-offered",
    "any-certificate": "tls-self-signed tls-expired tls-other-name",
    "any-host": "tls-other-name",
    "old-tls": "tls-1.1",
    "keeps-the-buffer": "tls-injected",
    "clear-data": "tls-get tls-put",
    "prot-may-fail": "tls-prot-refused-get",
    "ragged-ends": "tls-truncated tls-truncated-list",
    "no-close-notify": "tls-close-notify",
}


def _terms(fault: str) -> Terms:
    """A client without a clock is killed at the limit, which need not be long."""
    return replace(_TERMS, limit=6.0) if fault == "no-clock" else _TERMS


@pytest.fixture(scope="module")
def noticed() -> dict[tuple[str, str], ClientResult]:
    """What each case says to each client that it claims; run at once, since most of it is waiting."""
    known = {case.name: case for case in all_cases()}
    pairs = [(fault, name) for fault, names in PLANTED.items() for name in names.split()]
    with ThreadPoolExecutor(_TERMS.jobs) as pool:
        results = pool.map(lambda pair: run_case(known[pair[1]], tiny(pair[0]), _terms(pair[0])), pairs)
        return dict(zip(pairs, results, strict=True))


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_noticed(fault: str, noticed: dict[tuple[str, str], ClientResult]) -> None:
    for name in PLANTED[fault].split():
        result = noticed[fault, name]
        assert result.status is Status.FAIL, f"{name} did not notice: {result.status} {result.remark}"


def test_the_client_without_a_fault_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """So what the cases above noticed is the fault that was planted."""
    named = {name for names in PLANTED.values() for name in names.split()}
    results = run_cases([case for case in all_cases() if case.name in named], tiny(), _TERMS)
    bad = [result for result in results if result.status is not Status.PASS]
    show(bad)
    assert bad == [], capsys.readouterr().out


def test_cases_say_what_they_judge() -> None:
    cases = all_cases()
    assert len(cases) >= 80
    for case in cases:
        assert case.clause.startswith("RFC "), case.name
        assert case.says.endswith("."), case.name
    assert {Level.MUST, Level.SHOULD, Level.MAY} == {case.level for case in cases}
