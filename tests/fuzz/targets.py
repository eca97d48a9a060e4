"""One target for each parser: bytes give values or the parser's own error, and what can be written back is the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from ftlite.protocol import addresses
from ftlite.protocol.ascii import FromWire, ToWire
from ftlite.protocol.clienthello import HelloReader
from ftlite.protocol.errors import (
    BadAddress,
    BadCommand,
    BadFacts,
    BadListing,
    BadReply,
    LineTooLong,
    OutOfStep,
    ProtocolError,
)
from ftlite.protocol.facts import format_facts, format_time, parse_facts, parse_time
from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.listparse import listing_lines, parse_list, parse_mlst, parse_mlsx, parse_nlst, safe_name
from ftlite.protocol.pairing import ClientDialogue
from ftlite.protocol.replies import Reply, ReplyReader, reply
from ftlite.protocol.states import ServerDialogue
from ftlite.protocol.text import decode, encode, join, printable, quote_path, unquote_path
from ftlite.protocol.verbs import Command, looks_like_http, parse_command
from tests.protocol.pieces import bytewise, outcomes

NOW: Final = 1_800_000_000_000_000_000  # ns since the epoch: any fixed time will do


@frozen
class Target:
    """What to run, and inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> None:
    text = decode(data)
    assert encode(text) == data
    assert printable(printable(text)) == printable(text)
    assert unquote_path(quote_path(text)) == text
    with contextlib.suppress(BadReply):
        unquote_path(text)
    where = join("/a/b", text)
    assert where == join("/", where)
    assert "/../" not in f"{where}/"


def _lines(data: bytes) -> None:
    for telnet in (True, False):
        whole = outcomes(LineSplitter(24, telnet), [data])
        assert whole == outcomes(LineSplitter(24, telnet), bytewise(data))
        assert all(isinstance(each, bytes) or each[0] is LineTooLong for each in whole)


def _replies(data: bytes) -> None:
    whole = outcomes(ReplyReader(60, 6), [data])
    assert whole == outcomes(ReplyReader(60, 6), bytewise(data))
    for each in whole:
        if not isinstance(each, Reply):
            assert each[0] in (BadReply, LineTooLong)
        elif not set(each.text) & {"\r", "\0"}:
            assert outcomes(ReplyReader(), [each.encode()]) == [each]


def _parsed(line: bytes) -> Command | None:
    try:
        result: Command | BadCommand = parse_command(line)
    except BadCommand as error:
        result = error
    said = result.shown if isinstance(result, Command) else str(result)
    assert said == printable(said)
    return result if isinstance(result, Command) else None


def _verbs(data: bytes) -> None:
    for line in data.split(b"\n"):
        _parsed(line)
        looks_like_http(line, logged_in=False)


def _dialogue(data: bytes) -> None:
    """A client says `data`; every command that may run is answered with a reply of its row, chosen by the input."""
    dialogue = ServerDialogue(tls_required=data[:1] == b"!")
    for at, line in enumerate(data.split(b"\n")):
        command = _parsed(line)
        if command is None:
            continue
        answer = dialogue.admit(command)
        if answer is None:
            codes = sorted(code for code in command.verb.replies if code >= 200)
            if command.verb.transfer:
                dialogue.answered(command, reply(150, "x"))
            answer = reply(codes[at % len(codes)], "x")
        dialogue.answered(command, answer)
        if answer.code == 234:
            dialogue.secure()


def _pairing(data: bytes) -> None:
    """A server says `data` to a client that keeps some commands on their way."""
    client = ClientDialogue()
    client.receive(data)
    with contextlib.suppress(BadReply, LineTooLong):
        while True:
            with contextlib.suppress(OutOfStep):
                for name in ("RETR", "ABOR", "NOOP"):
                    client.send(name)
            before = client.outstanding
            answer = client.next()
            if answer is None:
                return
            assert answer.command is None or answer.command == before[0]
            assert len(before) - len(client.outstanding) == (answer.final and answer.command is not None)


def _facts(data: bytes) -> None:
    text = decode(data)
    with contextlib.suppress(BadFacts):
        facts, rest = parse_facts(text)
        assert parse_facts(format_facts(facts, rest)) == (facts, rest)
    with contextlib.suppress(BadFacts):
        moment = parse_time(text)
        assert parse_time(format_time(moment, fraction=True)) == moment


def _listings(data: bytes) -> None:
    lines = listing_lines(data)
    with contextlib.suppress(BadListing):
        parse_list(lines, NOW)
    parsers: tuple[Callable[[str], Any], ...] = (parse_mlsx, parse_mlst, safe_name)
    for line in lines:
        for parse in parsers:
            with contextlib.suppress(BadListing, BadFacts):
                parse(line)
    parse_nlst(lines, "dir")


def _addresses(data: bytes) -> None:
    text = decode(data)
    formats: tuple[tuple[Callable[[str], Any], Callable[..., str]], ...] = (
        (addresses.parse_port, addresses.format_port),
        (addresses.parse_eprt, addresses.format_eprt),
        (addresses.parse_pasv, addresses.format_pasv),
        (addresses.parse_epsv, lambda port: addresses.format_epsv(port)),
    )
    for parse, write in formats:
        with contextlib.suppress(BadAddress):
            value = parse(text)
            assert parse(write(*value) if isinstance(value, tuple) else write(value)) == value


def _ascii(data: bytes) -> None:
    for make in (ToWire, FromWire):
        whole, single = make(), make()
        converted = whole.feed(data) + whole.finish()
        assert converted == b"".join(map(single.feed, bytewise(data))) + single.finish()
    to_wire, from_wire = ToWire(), FromWire()
    wire = to_wire.feed(data) + to_wire.finish()
    assert from_wire.feed(wire) + from_wire.finish() == data.replace(b"\r\n", b"\n")


def _hello(data: bytes) -> None:
    def read(chunks: list[bytes]) -> Any:
        reader = HelloReader()
        try:
            for chunk in chunks:
                if not reader.complete:
                    reader.feed(chunk)
        except ProtocolError:
            return "error"
        return reader.complete, reader.alpn

    assert read([data]) == read(bytewise(data))


#: Every parser that a stranger's bytes reach.
TARGETS: Final[Mapping[str, Target]] = {
    "text": Target(_text, (b'257 "/a ""b""" is it', b"a/../b//./c", b"\xc3\xa4\xff\x1b[2J")),
    "lines": Target(_lines, (b"USER a\r\nPASS b\n", b"\xff\xf4\xff\xf2ABOR\r\n", b"\xff\xfa\x01\xff\xf0x" * 9)),
    "replies": Target(
        _replies, (b"220 hi\r\n", b"211-a\r\n SIZE\r\n211 End\r\n", b"226-a\r\n226-b\r\n 226 c\r\n226 d\r\n")
    ),
    "verbs": Target(
        _verbs,
        (
            b"USER ann\nPASS x\nACCT y\nGET / HTTP/1.1\nLIST -la dir\nNLST\nEPSV ALL\nTYPE L 8\nALLO 5 R 7\nREST 9",
            b"PORT 127,0,0,1,4,1\nEPRT |2|::1|1025|\nMFMT 20240229120000 a\nMFF modify=20240101000000; a\nMDTM a",
            b"SITE CHMOD 644 a\nSITE UTIME a 20240101000000 20240101000000 20240101000000 UTC\nPROT P\nAUTH TLS",
            b"PBSZ 0\nOPTS UTF8 ON\nMDTM 20240101000000 a\nSITE UTIME 202401010000 a\nHASH a\nSTAT\nHELP SITE",
        ),
    ),
    "dialogue": Target(
        _dialogue,
        (
            b"USER a\nPASS b\nEPSV\nREST 5\nRETR f\nRNFR a\nRNTO b\nALLO 7\nPASV\nSTOR g\nREIN",
            b"!USER a\nAUTH TLS\nUSER a\nPASS b\nPBSZ 0\nPROT P\nEPSV ALL\nEPSV\nPASV\nLIST\nAPPE x",
        ),
    ),
    "pairing": Target(
        _pairing, (b"220 hi\r\n150 a\r\n226 b\r\n200 c\r\n", b"120 a\r\n220-x\r\n220 y\r\n426 a\r\n226 b\r\n421 c\r\n")
    ),
    "facts": Target(_facts, (b"type=file;size=1;modify=20240101000000; a b", b"20240229235960.123456789", b" name")),
    "listings": Target(
        _listings,
        (
            b"-rw-r--r--   1 root wheel   12 Nov 20 10:15 a b\r\nlrwxrwxrwx 1 a b 3 Jan  1  2020 x -> y\r\n",
            b"01-29-97  11:32PM       <DIR>          prog\r\n02-29-2024  10:00  12,345 f\r\n",
            b"+i8388621.48594,m825718503,r,s280,\tdjb.html\r\n+/,m824255907,\t514\r\n",
            b"CORE.DIR;1          1  8-NOV-1999 07:02 [ROOT] (RWED,RWED,RE,)\r\n",
            b"type=dir;modify=20240101000000;UNIX.mode=0755; sub\r\n type=OS.unix=slink:/a;size=1; l\r\n",
            b"d [R----F--] supervisor  512  Jan 16 18:53  login\r\nQSYS 77824 02/23/00 15:09:55 *DIR Q/\r\n",
        ),
    ),
    "addresses": Target(
        _addresses,
        (
            b"127,0,0,1,4,1",
            b"|2|::1|1025|",
            b"|1|10.0.0.1|65535|",
            b"Entering (10,0,0,1,200,3).",
            b"Entering (|||6446|)",
        ),
    ),
    "ascii": Target(_ascii, (b"a\nb\r\nc\rd\r\r\n", b"\r", b"\n" * 5)),
    "hello": Target(
        _hello,
        (
            bytes.fromhex("160301002d010000290303" + "00" * 32 + "00" + "00021301" + "0100" + "0000"),
            b"\x16\x03\x01\x00\x01\x01",
        ),
    ),
}
