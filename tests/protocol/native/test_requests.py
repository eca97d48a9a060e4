"""Tagged commands: what is written is read back, examples of the text, and one named error for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadArgument, BadFacts
from ftlite.protocol.native.requests import (
    ALWAYS_TAGGED,
    TAGGED,
    AbortRequest,
    DoneRequest,
    FailRequest,
    GetRequest,
    GetTreeRequest,
    HashRequest,
    ListRequest,
    PutRequest,
    PutTreeRequest,
    Request,
    WaitRequest,
    format_request,
    parse_request,
    parse_wait,
    plain_path,
)
from ftlite.protocol.native.values import Digests
from ftlite.protocol.text import decode
from ftlite.protocol.verbs import format_command, parse_command
from tests.protocol.native import given as g

H = "0f" * 32


def outcome(name: str, text: str) -> Request | BadFacts | None:
    """What `parse_request` makes of it; any other error goes through."""
    try:
        return parse_request(name, text)
    except BadFacts as error:
        return error


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("GET tag=1; build/app.bin", GetRequest(1, "build/app.bin")),
        ("GET tag=1;offset=7;if=3f-1;hash=BLAKE3; a b", GetRequest(1, "a b", 7, "3f-1", "blake3")),
        ("GET tag=01;new-fact=x;  a ", GetRequest(1, " a ")),
        (
            f"PUT tag=2;size=5;modify=20261122101500.5;mode=0755;sha256={H};if=absent;fresh=1; x",
            PutRequest(2, "x", 5, 1795342500_500000000, 0o755, "sha256", Digests(H), True, True),
        ),
        ("PUT Tag=2147483647; x", PutRequest(2**31 - 1, "x")),
        ("PUT tag=5;failed=1; x", FailRequest(5, "x")),
        (
            f"GET tag=3;type=tree;comp=zstd;include=%2A.o,b;entries=2;sha256={H};inside=9; d",
            GetTreeRequest(3, "d", "zstd", "sha256", ("*.o", "b"), (), 2, Digests(H), 9),
        ),
        (
            f"PUT tag=4;type=tree;replace=1;entries=0;size=0;blake3={H};hash=blake3; d",
            PutTreeRequest(4, "d", None, "blake3", True, False, 0, 0, Digests(None, H)),
        ),
        (f"DONE tag=4;bytes=5;entries=1;sha256={H};", DoneRequest(4, 5, Digests(H), 1)),
        ("MLSD tag=3;", ListRequest(3, "MLSD")),
        ("MLSD tag=3; ", ListRequest(3, "MLSD")),
        ("LIST tag=3; -la d", ListRequest(3, "LIST", "d")),
        ("MLSD tag=3; -la d", ListRequest(3, "MLSD", "-la d")),
        ("HASH tag=4;hash=blake3; a", HashRequest(4, "a", "blake3")),
        ("ABOR tag=1;", AbortRequest(1)),
        ("WAIT tag=9;timeout=5;since=v.1;any=1; a", WaitRequest(9, "a", 5, "v.1", True)),
    ],
)
def test_examples(line: str, request_: Request) -> None:
    command = parse_command(line.encode(), native=True)
    assert command.request == request_
    assert command.tag == request_.tag
    name, _, argument = line.partition(" ")
    assert parse_request(name, argument) == request_


@pytest.mark.parametrize(
    ("line", "tag", "code"),
    [
        ("GET x", None, 501),
        ("PUT", None, 501),
        ("DONE bytes=1;", None, 501),
        ("GET tag=0; x", None, 501),
        ("GET tag=2147483648; x", None, 501),
        ("GET tag=12345678901; x", None, 501),
        ("GET tag=-1; x", None, 501),
        ("GET tag=; x", None, 501),
        ("GET tag=1 x", None, 501),
        ("GET tag=1;", 1, 501),
        ("GET tag=1; ", 1, 501),
        ("GET tag=1;offset=-1; x", 1, 501),
        ("GET tag=1;offset=9223372036854775808; x", 1, 501),
        ("GET tag=1;offset; x", 1, 501),
        ("GET tag=1;offset=1;offset=2; x", 1, 501),
        ("GET tag=1;offset=1 x", 1, 501),
        ("GET tag=1;tag=2; x", 1, 501),
        ("GET tag=1;if=; x", 1, 501),
        ("GET tag=1;type=socket; x", 1, 504),
        ("GET tag=1;type=tree;include=a%2; x", 1, 501),
        ("PUT tag=2;mode=1000; x", 2, 501),
        ("PUT tag=2;mode=8; x", 2, 501),
        ("PUT tag=2;modify=2026; x", 2, 501),
        ("PUT tag=2;modify=20261322101500; x", 2, 501),
        ("PUT tag=2;modify=20261122101500.1234567891; x", 2, 501),
        ("PUT tag=2;if=v1; x", 2, 501),
        ("PUT tag=2;fresh=0; x", 2, 501),
        ("PUT tag=2;failed=yes; x", 2, 501),
        (f"PUT tag=2;sha256={H.upper()}; x", 2, 501),
        (f"PUT tag=2;sha256={H[1:]}; x", 2, 501),
        ("PUT tag=2;type=tree;replace=1;merge=1; x", 2, 501),
        (f"DONE tag=2;sha256={H};", 2, 501),
        ("DONE tag=2;bytes=1;", 2, 501),
        (f"DONE tag=2;bytes=1;sha256={H}; x", 2, 501),
        ("ABOR tag=2; x", 2, 501),
        ("HASH tag=2;", 2, 501),
    ],
)
def test_what_cannot_be_read_names_its_tag(line: str, tag: int | None, code: int) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_command(line.encode(), native=True)
    assert (caught.value.tag, caught.value.code) == (tag, code)


@pytest.mark.parametrize(
    "line", ["LIST tag", "LIST", "MLSD ./tag=1;", "HASH a", "ABOR", "NOOP", "WAIT a", "RETR tag=1; x"]
)
def test_without_a_tag_they_are_what_they_were(line: str) -> None:
    stock, native = parse_command(line.encode()), parse_command(line.encode(), native=True)
    assert stock == native
    assert native.tag is None


def test_out_of_native_mode_a_tag_is_the_beginning_of_a_name() -> None:
    assert parse_command(b"GET tag=1; x").value == "tag=1; x"
    assert parse_command(b"GET tag=1; x").tag is None
    with pytest.raises(BadArgument):
        parse_command(b"ABOR tag=1;")


def test_which_verbs_carry_a_tag() -> None:
    assert sorted(ALWAYS_TAGGED) == ["DONE", "GET", "PUT"]
    assert sorted(TAGGED - ALWAYS_TAGGED) == ["ABOR", "HASH", "LIST", "MLSD", "NLST", "WAIT"]


@given(g.request)
@settings(deadline=None, max_examples=400)
def test_what_is_written_is_read_back(request_: Request) -> None:
    name, argument = format_request(request_)
    assert parse_request(name, argument) == request_
    line = format_command(name, argument).removesuffix(b"\r\n").replace(b"\xff\xff", b"\xff")
    assert parse_command(line, native=True).request == request_


@given(st.sampled_from(sorted(TAGGED)), g.near)
@settings(deadline=None, max_examples=800)
def test_any_text_gives_a_request_or_one_named_error(name: str, text: str) -> None:
    request_ = outcome(name, text)
    if isinstance(request_, BadFacts):
        assert request_.tag is None or text[:4].lower() == "tag="
        assert request_.code in (501, 504)
        return
    if request_ is None:
        assert text[:4].lower() != "tag="
        return
    # What is written again may drop what was passed over, never change what was understood.
    assert parse_request(*format_request(request_)) == request_


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_any_octets_behind_a_tag(data: bytes) -> None:
    for name in sorted(TAGGED):
        request_ = outcome(name, "tag=1;" + decode(data))
        assert request_ is not None
        assert request_.tag == 1


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("a", WaitRequest(None, "a")),
        ("timeout=40; rel/1.4/app.bin", WaitRequest(None, "rel/1.4/app.bin", 40)),
        ("any=1;Since=v; a b", WaitRequest(None, "a b", None, "v", True)),
        ("timeout", WaitRequest(None, "timeout")),
        ("tag=1; x", WaitRequest(None, "tag=1; x")),
        ("x=1;timeout=5; a", WaitRequest(None, "x=1;timeout=5; a")),
    ],
)
def test_wait_in_its_plain_form(text: str, request_: WaitRequest) -> None:
    assert parse_wait(text) == request_
    command = parse_command(b"WAIT " + text.encode())
    assert (command.value, command.request, command.tag) == (request_, request_, None)


@pytest.mark.parametrize(
    "text", ["timeout=x; a", "timeout=5;", "timeout=5", "since=; a", "any=2; a", "timeout=5 a", ""]
)
def test_a_plain_wait_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_command(b"WAIT " + text.encode())
    assert (caught.value.code, caught.value.tag) == (501, None)


@given(st.one_of(g.paths, g.near.filter(bool)).filter(lambda path: not set(path) & set("\r\n\0")))
@settings(deadline=None)
def test_a_plain_wait_is_read_back_as_the_same_file(path: str) -> None:
    name, argument = format_request(WaitRequest(None, path))
    assert parse_wait(argument).path in (path, f"./{path}")
    assert (name, parse_wait(argument).timeout) == ("WAIT", None)
    timed = WaitRequest(None, path, 5)
    assert parse_wait(format_request(timed)[1]) == timed
    assert parse_request("LIST", plain_path(path)) is None


@pytest.mark.parametrize(
    ("tag", "timeout", "seconds"),
    [(1, None, 60), (1, 5, 5), (1, 10**6, 86_400), (None, None, 50), (None, 5, 5), (None, 100, 50), (1, 0, 0)],
)
def test_how_long_a_wait_is(tag: int | None, timeout: int | None, seconds: int) -> None:
    assert WaitRequest(tag, "a", timeout).seconds == seconds


@pytest.mark.parametrize(
    "request_",
    [
        GetRequest(0, "a"),
        GetRequest(2**31, "a"),
        GetRequest(1, ""),
        GetRequest(1, "a\nb"),
        GetRequest(1, "a", -1),
        GetRequest(1, "a", 2**63),
        GetRequest(1, "a", 0, "v;w"),
        GetRequest(1, "a", 0, "v" * 65),
        PutRequest(1, "a", mode=0o1000),
        PutRequest(1, "a", modify_ns=10**21),
        PutRequest(1, "a", digests=Digests("x")),
        PutRequest(1, "a", hash="a;b=c"),
        GetTreeRequest(1, "a", include=("",)),
    ],
)
def test_what_cannot_be_written(request_: Request) -> None:
    with pytest.raises(BadFacts):
        format_request(request_)


def test_a_digest_by_its_algorithm() -> None:
    both = Digests(sha256="a", blake3="b")
    assert (both.get("sha256"), both.get("blake3"), both.get("md5")) == ("a", "b", None)
    assert Digests.of("blake3", H) == Digests(None, H)
    assert not Digests()
    with pytest.raises(KeyError):
        Digests.of("md5", H)
