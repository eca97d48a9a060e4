"""The verdict, over every combination of what can be known."""

from __future__ import annotations

import itertools

import pytest

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.success import Ending, Evidence, Verified, judge
from ftlite.protocol.replies import Reply, reply

REPLIES: list[Reply | None] = [
    None,
    reply(226, "ok"),
    reply(250, "ok"),
    reply(426, "cut"),
    reply(451, "fault"),
    reply(552, "full"),
]
DIGESTS = [
    (None, None),
    ("sha256:aa", None),
    (None, "sha256:aa"),
    ("sha256:aa", "sha256:aa"),
    ("sha256:aa", "sha256:bb"),
]
STATED = [None, 10, 12]
TABLE = list(itertools.product(Ending, REPLIES, [False, True], STATED, DIGESTS, [None, *Verified]))


def expected(
    ending: Ending,
    final: Reply | None,
    silent: bool,
    stated: int | None,
    digests: tuple[str | None, str | None],
    least: Verified | None,
) -> Verified | Outcome:
    """The rule once more, as a list of sentences; ten bytes moved."""
    ours, theirs = digests
    both = ours is not None and theirs is not None
    best = Verified.DIGEST if both else Verified.SIZE if stated is not None else Verified.NONE
    sentences: list[tuple[bool, Verified | Outcome]] = [
        (final is not None and final.code == 426, Outcome.PARTIAL),
        (final is not None and final.code == 451, Outcome.OTHER),
        (final is not None and final.code == 552, Outcome.NO_ROOM),
        (ending is Ending.STALLED, Outcome.TIMEOUT),
        (final is None and silent, Outcome.TIMEOUT),
        (final is None, Outcome.PARTIAL),
        (ending is Ending.LOST, Outcome.PARTIAL),
        (ending is Ending.TRUNCATED and stated != 10, Outcome.PARTIAL),
        (both and ours != theirs, Outcome.INTEGRITY),
        (stated == 12, Outcome.INTEGRITY),
        (least is Verified.DIGEST and best is not Verified.DIGEST, Outcome.INTEGRITY),
        (least is Verified.SIZE and best is Verified.NONE, Outcome.INTEGRITY),
    ]
    return next((outcome for holds, outcome in sentences if holds), best)


def test_every_row() -> None:
    for ending, final, silent, stated, (ours, theirs), least in TABLE:
        evidence = Evidence("f", "RETR", 7, 3, ending, final, silent, stated, ours, theirs, least)
        verdict: Verified | Outcome
        try:
            verdict = judge(evidence)
        except ClientError as error:
            verdict = error.outcome
        assert verdict is expected(ending, final, silent, stated, (ours, theirs), least), evidence


def test_success_needs_a_reply_and_an_end() -> None:
    """Whatever else is known: no 2xx, no success; a lost or stalled connection, no success."""
    for ending, final, silent, stated, (ours, theirs), least in TABLE:
        if (final is not None and final.completed) and ending in (Ending.CLEAN, Ending.TRUNCATED):
            continue
        with pytest.raises(ClientError):
            judge(Evidence("f", "RETR", 7, 3, ending, final, silent, stated, ours, theirs, least))


def test_nothing_to_move_is_judged_by_size_alone() -> None:
    evidence = Evidence("f", "RETR", 0, 10, Ending.CLEAN, None, stated=10, needed=False)
    assert judge(evidence) is Verified.SIZE
    with pytest.raises(ClientError) as caught:
        judge(Evidence("f", "RETR", 0, 10, Ending.CLEAN, None, stated=11, needed=False))
    assert caught.value.outcome is Outcome.INTEGRITY
