"""Addresses: what parses prints back to itself, everything else is one named error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.client.address import Address, Scheme, parse_address
from ftlite.client.errors import ClientError, Outcome

hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
any_byte = st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
carried = any_byte.filter(lambda text: not set(text) & set("\r\n\0"))


@settings(deadline=None)
@given(
    hosts,
    st.none() | st.integers(1, 65535),
    st.none() | carried.filter(bool),
    carried,
    st.sampled_from([Scheme.FTP, Scheme.FTPS, Scheme.FTPES]),
)
def test_urls_survive_a_round_trip(host: str, port: int | None, user: str | None, path: str, scheme: Scheme) -> None:
    address = Address(host, port, user, path, scheme)
    assert parse_address(str(address)) == address


@settings(deadline=None)
@given(
    hosts,
    st.none() | st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True),
    st.from_regex(r"([a-zA-Z0-9._ %@:+-][a-zA-Z0-9._ %@:+/-]{0,20})?", fullmatch=True),
)
def test_short_forms_survive_a_round_trip(host: str, user: str | None, path: str) -> None:
    address = Address(host, None, user, path, Scheme.BARE)
    try:
        parsed = parse_address(str(address))
    except ClientError as error:
        assert "password" in error.message  # noqa: PT017
        assert user is None
        assert "@" in path
    else:
        assert parsed == address


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"(ftp|ftps|ftpes|http)://[a-z@:\[\]/%0-9.]{0,30}", fullmatch=True))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ClientError as error:
        refusal = error
    else:
        assert address.host
        assert 0 < address.effective_port < 65536
        assert not set(address.path + (address.user or "")) & set("\r\n\0")
        return
    assert refusal.outcome is Outcome.USAGE
    assert refusal.remedy


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ftp://h/a/b", Address("h", path="a/b")),
        ("ftp://h//a/b", Address("h", path="/a/b")),
        ("ftp://h/%2Fa", Address("h", path="/a")),
        ("ftp://h", Address("h")),
        ("FTP://h:2121/", Address("h", 2121)),
        ("ftps://me@h/x", Address("h", None, "me", "x", Scheme.FTPS)),
        ("ftpes://me%40corp@[::1]:21/a%20b", Address("::1", 21, "me@corp", "a b", Scheme.FTPES)),
        ("ftp://h/na%FFme", Address("h", path="na\udcffme")),
        ("me@h:rel/x", Address("h", None, "me", "rel/x", Scheme.BARE)),
        ("me@h:/abs", Address("h", None, "me", "/abs", Scheme.BARE)),
        ("me@h", Address("h", None, "me", "", Scheme.BARE)),
        ("h:a:b", Address("h", None, None, "a:b", Scheme.BARE)),
        ("me@[fe80::1]:x", Address("fe80::1", None, "me", "x", Scheme.BARE)),
        ("[::1]", Address("::1", scheme=Scheme.BARE)),
        ("h:50%25", Address("h", path="50%25", scheme=Scheme.BARE)),
        ("h:dir/a@b", Address("h", path="dir/a@b", scheme=Scheme.BARE)),
    ],
)
def test_what_addresses_mean(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_ports_follow_the_scheme() -> None:
    assert parse_address("ftp://h").effective_port == 21
    assert parse_address("ftps://h").effective_port == 990
    assert parse_address("ftpes://h").effective_port == 21


@pytest.mark.parametrize(
    "text",
    ["", "/path", ":x", "http://h/", "ftp://", "ftp:///x", "ftp://h:0/", "ftp://h:99999/", "ftp://h:x/", "ftp://[::1/",
     "ftp://[h]/", "ftp://a:b:c/", "ftp://h/%0d%0aDELE", "ftp://h/%00", "h:a\nb", "ftp://@h/", "@h:x", "-rf:x", "ftp://h/\x1b",
     "[::1]x"],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse_address(text)
    assert caught.value.outcome is Outcome.USAGE
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["ftp://me:s3cret@h/x", "me:s3cret@h", "me:s3cret@h:x", "ftps://me:s3%40cret@h:21/"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse_address(text)
    assert "password" in str(caught.value)
    assert "cret" not in str(caught.value)
