"""The table of exit codes is whole and frozen, and every error has its sentence."""

from __future__ import annotations

import errno

import pytest

from ftlite.cli import exits
from ftlite.client import ClientError, Outcome
from ftlite.config.errors import ConfigError

#: The contract, once more and on purpose: a change here breaks scripts.
FROZEN = {
    "OTHER": 1, "PROTOCOL": 1, "USAGE": 2, "NOT_FOUND": 3, "LOGIN": 4, "DENIED": 4, "CONNECT": 5, "TLS": 5, "PIN": 5,
    "TIMEOUT": 6, "INTEGRITY": 7, "PARTIAL": 8, "EXISTS": 9, "NO_ROOM": 10, "FAILED": 11,
}  # fmt: skip


def test_codes_are_frozen_and_cover_every_outcome() -> None:
    assert exits.CODES == FROZEN
    assert set(exits.CODES) == {outcome.name for outcome in Outcome}


@pytest.mark.parametrize("outcome", Outcome)
def test_client_errors_keep_their_sentence(outcome: Outcome) -> None:
    told = exits.tell(ClientError(outcome, "x: went\nwrong", remedy="mend it"))
    assert told == exits.Told("x: went\\x0awrong; mend it", outcome.value, FROZEN[outcome.name])


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOENT, 3), (errno.EACCES, 4), (errno.EPERM, 4), (errno.ENOSPC, 10), (errno.EDQUOT, 10), (errno.EEXIST, 9),
     (errno.EIO, 1)],
)  # fmt: skip
def test_local_errors_name_the_file(number: int, code: int) -> None:
    told = exits.tell(OSError(number, "Reason Here", "dir/na\x1bme"))
    assert (told.code, told.sentence) == (code, "dir/na\\x1bme: reason here")


def test_a_configuration_that_cannot_be_used_is_wrong_usage() -> None:
    assert exits.tell(ConfigError(None, "limits.idel", "is not known")).code == 2


def test_of_a_group_the_error_that_explains_speaks() -> None:
    known = ClientError(Outcome.TIMEOUT, "slow")
    group = BaseExceptionGroup("g", [RuntimeError("odd"), ExceptionGroup("h", [known])])
    assert exits.tell(group).code == 6


def test_the_unforeseen_says_that_it_is() -> None:
    told = exits.tell(ZeroDivisionError("by zero"))
    assert told.code == 1
    assert "unexpected ZeroDivisionError" in told.sentence
