"""Offer and grant, both ways; the key stays where it belongs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadFacts, BadReply
from ftlite.protocol.native.feature import Grant, Offer
from ftlite.protocol.native.lines import proof
from ftlite.protocol.replies import Reply, reply
from tests.protocol.native import given as g

ID, KEY = "8c6f00112233449a", "000102030405060708090a0b0c0d0e0f"
some_names = st.lists(g.names, max_size=3, unique=True).map(tuple)


@given(st.builds(Offer, g.numbers, some_names.filter(bool), some_names, g.numbers))
@settings(deadline=None)
def test_an_offer_is_read_back(offer: Offer) -> None:
    assert Offer.parse(offer.feature()) == offer


@pytest.mark.parametrize(
    ("line", "offer"),
    [
        ("FTLITE 1 max=16;hash=sha256,blake3;comp=zstd;spares=2;", Offer(16, ("sha256", "blake3"), ("zstd",), 2)),
        ("ftlite 1 MAX=3;new=x;hash=SHA256;", Offer(3)),
        ("FTLITE 1", Offer()),
        ("FTLITE 1 ", Offer()),
        ("FTLITE 1 spares=0;hash=,sha256,;", Offer()),
    ],
)
def test_offers(line: str, offer: Offer) -> None:
    assert Offer.parse(line) == offer


@pytest.mark.parametrize(
    "line", ["", "FTLITE", "FTLITE 2 max=1;", "FTLITE 10 max=1;", "FTLITE 1 max=x;", "FTLITE 1 max=1", "SIZE"]
)
def test_no_offers(line: str) -> None:
    with pytest.raises(BadFacts):
        Offer.parse(line)


@given(st.one_of(st.text(max_size=20), g.near.map("FTLITE 1 ".__add__)))
@settings(deadline=None)
def test_any_line_is_an_offer_or_one_named_error(line: str) -> None:
    try:
        offer = Offer.parse(line)
    except BadFacts:
        return
    assert Offer.parse(offer.feature()).max == offer.max


@given(st.integers(1, 2**31), st.integers(0, 2**31))
def test_a_grant_is_read_back(most: int, spares: int) -> None:
    grant = Grant(ID, KEY, most, spares)
    assert Grant.parse(grant.to_reply()) == grant


def test_the_reply_that_grants() -> None:
    assert Grant(ID, KEY, 16, 2).to_reply() == reply(200, f"FTLITE 1 id={ID};key={KEY};max=16;spares=2;")
    assert Grant.parse(reply(200, f"FTLITE 1 key={KEY};id={ID};x=y; welcome")) == Grant(ID, KEY, 1, 0)


def test_the_key_is_shown_nowhere() -> None:
    grant = Grant(ID, KEY, 16, 2)
    assert KEY not in f"{grant!r} {grant} {[grant]}"
    with pytest.raises(BadFacts) as caught:
        Grant(ID, KEY.replace("0f", "0F"), 16, 2)
    assert KEY[:20] not in str(caught.value)
    with pytest.raises(BadReply) as wrong:
        Grant.parse(reply(200, f"FTLITE 1 id=x;key={KEY};"))
    assert KEY not in str(wrong.value)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, "OK"),
        reply(200, "FTLITE 1"),
        reply(200, f"FTLITE 1 id={ID};"),
        reply(200, f"FTLITE 1 key={KEY};"),
        reply(200, f"FTLITE 1 id={ID};key={KEY[1:]};"),
        reply(200, f"FTLITE 1 id={ID};key={KEY};max=x;"),
        reply(200, f"FTLITE 2 id={ID};key={KEY};"),
        reply(504, f"FTLITE 1 id={ID};key={KEY};"),
    ],
)
def test_replies_that_grant_nothing(answer: Reply) -> None:
    with pytest.raises(BadReply):
        Grant.parse(answer)


def test_its_proofs() -> None:
    assert Grant(ID, KEY, 16, 2).proof(9) == proof(bytes.fromhex(KEY), ID, 9)
