"""TYPE A: what each converter does to line ends, and that blocks do not matter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.ascii import FromWire, ToWire

#: Mostly line ends, since nothing else matters here.
data = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"a", b"\xff", b"\r\r", b"\n\n"]), max_size=20).map(
    b"".join
)
blocks = st.lists(data, max_size=8)


def run(converter: ToWire | FromWire, parts: list[bytes]) -> bytes:
    return b"".join([converter.feed(part) for part in parts]) + converter.finish()


@pytest.mark.parametrize(
    ("local", "wire"),
    [(b"", b""), (b"a\nb\n", b"a\r\nb\r\n"), (b"a\r\nb", b"a\r\nb"), (b"\n\r\n\n", b"\r\n\r\n\r\n"),
     (b"a\rb\r", b"a\rb\r"), (b"\r\r\n", b"\r\r\n"), (b"\r\0", b"\r\0")],
)  # fmt: skip
def test_to_wire(local: bytes, wire: bytes) -> None:
    assert run(ToWire(), [local]) == wire


@pytest.mark.parametrize(
    ("wire", "local"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"a\nb", b"a\nb"),
        (b"a\rb\r", b"a\rb\r"),
        (b"\r\r\n", b"\r\n"),
        (b"\r\0", b"\r\0"),
    ],
)
def test_from_wire(wire: bytes, local: bytes) -> None:
    assert run(FromWire(), [wire]) == local


@settings(deadline=None)
@given(blocks, st.sampled_from([ToWire, FromWire]))
def test_blocks_do_not_matter(parts: list[bytes], kind: type[ToWire] | type[FromWire]) -> None:
    whole = b"".join(parts)
    bytewise = [whole[at : at + 1] for at in range(len(whole))]
    assert run(kind(), parts) == run(kind(), [whole]) == run(kind(), bytewise)


@settings(deadline=None)
@given(data)
def test_there_and_back_turns_crlf_to_lf_and_nothing_else(local: bytes) -> None:
    assert run(FromWire(), [run(ToWire(), [local])]) == local.replace(b"\r\n", b"\n")


@settings(deadline=None)
@given(data)
def test_on_the_wire_every_line_ends_with_crlf_and_sending_it_again_changes_nothing(local: bytes) -> None:
    wire = run(ToWire(), [local])
    assert wire.count(b"\n") == wire.count(b"\r\n") == local.count(b"\n")
    assert run(ToWire(), [wire]) == wire


def test_a_cr_waits_for_what_follows_it() -> None:
    converter = FromWire()
    assert converter.feed(b"a\r") == b"a"
    assert converter.feed(b"") == b""
    assert converter.feed(b"\n") == b"\n"
    assert converter.finish() == b""


def test_any_buffer_is_taken() -> None:
    assert ToWire().feed(memoryview(b"a\n")) == b"a\r\n"
    assert FromWire().feed(bytearray(b"a\r\n")) == b"a\n"
