"""What a client offers by ALPN, from real handshakes, whole and byte by byte, and from anybody's bytes."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.clienthello import HelloReader
from ftlite.protocol.errors import ProtocolError


def hello(*protocols: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """The first flight of a real TLS client that offers `protocols`."""
    context = ssl.create_default_context()
    context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="host.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("protocols", [(), ("ftp",), ("http/1.1", "h2"), ("x" * 255,)])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_offers_are_read_however_they_arrive(version: ssl.TLSVersion, protocols: tuple[str, ...], step: int) -> None:
    data = hello(*protocols, version=version)
    reader = HelloReader()
    for at in range(0, len(data), step):
        assert not reader.complete
        reader.feed(data[at : at + step])
    assert reader.complete
    assert reader.alpn == tuple(name.encode() for name in protocols)
    assert reader.seen == data


def test_a_hello_in_several_records_is_put_together() -> None:
    data = hello("ftp")
    body = data[5:]
    records = b"".join(
        data[:3] + len(body[at : at + 50]).to_bytes(2) + body[at : at + 50] for at in range(0, len(body), 50)
    )
    reader = HelloReader()
    reader.feed(records)
    assert reader.complete
    assert reader.alpn == (b"ftp",)


@pytest.mark.parametrize("data", [b"USER x\r\n", b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"])
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        HelloReader().feed(data)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**16 - 1), st.binary(max_size=300))
def test_any_bytes_give_a_value_or_the_one_error(junk: bytes, length: int, tail: bytes) -> None:
    for data in (junk, b"\x16\x03\x01" + length.to_bytes(2) + b"\x01" + junk + tail):
        reader = HelloReader()
        try:
            reader.feed(data)
        except ProtocolError:
            continue
        assert isinstance(reader.alpn, tuple)
