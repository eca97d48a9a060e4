"""One target for each parser: bytes give values or the parser's own error, and what can be written back is the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

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
from ftlite.protocol.native.answers import parse_answer, untagged
from ftlite.protocol.native.feature import Grant, Offer
from ftlite.protocol.native.lines import FirstLine, FirstLineKind, GreetingSkipper, parse_proof_line, proof_line
from ftlite.protocol.native.patterns import Filter, format_patterns, parse_patterns
from ftlite.protocol.native.requests import WaitRequest, format_request
from ftlite.protocol.native.values import begins_tagged
from ftlite.protocol.pairing import ClientDialogue
from ftlite.protocol.replies import Reply, ReplyReader, reply
from ftlite.protocol.states import ServerDialogue
from ftlite.protocol.text import decode, encode, join, printable, quote_path, unquote_path
from ftlite.protocol.verbs import Command, looks_like_http, parse_command
from tests.fuzz.target import Target
from tests.protocol.pieces import bytewise, outcomes

NOW: Final = 1_800_000_000_000_000_000  # ns since the epoch: any fixed time will do


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


def _parsed(line: bytes, *, native: bool = False) -> Command | None:
    try:
        result: Command | BadCommand = parse_command(line, native)
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
        command = _parsed(line, native=dialogue.native)
        if command is None:
            continue
        answer = dialogue.admit(command)
        if answer is None and command.tag is not None and command.verb.name != "ABOR":
            answer = reply(226, f"tag={command.tag}; x")
        elif answer is None:
            codes = sorted(code for code in command.verb.replies if code >= 200)
            if command.verb.transfer:
                dialogue.answered(command, reply(150, "x"))
            answer = reply(codes[at % len(codes)], "x")
        dialogue.answered(command, answer)
        if answer.code == 234:
            dialogue.secure()


def _pairing(data: bytes) -> None:
    """A server says `data` to a client that keeps some commands on their way, some of them tagged if need be."""
    client = ClientDialogue()
    client.native = data[:1] == b"!"
    client.receive(data.removeprefix(b"!"))
    tags = iter(range(1, 1 << 20))
    with contextlib.suppress(BadReply, LineTooLong):
        while True:
            with contextlib.suppress(OutOfStep):
                for name in ("RETR", "ABOR", "NOOP"):
                    client.send(name)
                if client.native:
                    client.send("HASH", f"tag={next(tags)}; x")
            before = client.outstanding
            answer = client.next()
            if answer is None:
                return
            if answer.tag is not None:
                assert client.outstanding == before
                assert answer.final is (answer.tag not in client.running)
                continue
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


def _requests(data: bytes) -> None:
    for line in data.split(b"\n"):
        command = _parsed(line, native=True)
        request = command.request if command is not None else None
        if request is None:
            continue
        name, argument = format_request(request)
        again = parse_command(f"{name} {argument}".encode("utf-8", "surrogateescape"), native=True).request
        if isinstance(request, WaitRequest) and request.tag is None and again != request:
            request = evolve(request, path=f"./{request.path}")  # else it would be taken for facts
        assert again == request


def _answers(data: bytes) -> None:
    reader = ReplyReader()
    reader.feed(data + b"\r\n")
    with contextlib.suppress(BadReply):
        while (said := reader.next()) is not None:
            assert not begins_tagged(untagged(said).first)
            with contextlib.suppress(BadReply):
                assert parse_answer(parse_answer(said).to_reply()) == parse_answer(said)
            with contextlib.suppress(BadReply):
                assert Grant.parse(Grant.parse(said).to_reply()) == Grant.parse(said)


def _offer(data: bytes) -> None:
    with contextlib.suppress(BadFacts):
        offer = Offer.parse(decode(data))
        assert Offer.parse(offer.feature()).max == offer.max


def _first_line(data: bytes) -> None:
    """What a stranger says, in reads of every size; and what a server says first, to a client that skips it."""

    def read(most: int) -> Any:
        line, left = FirstLine(), data
        try:
            while line.wanted and left:
                count = min(line.wanted, most)
                line.feed(left[:count])
                left = left[count:]
        except BadCommand:
            return "error"
        if line.kind is FirstLineKind.SESSION:
            assert line.seen + left == data
            return line.kind
        return line.kind, line.id, line.tag, line.proof, left

    assert read(1) == read(1000)
    with contextlib.suppress(BadCommand):
        assert proof_line(parse_proof_line(data)) == data


def _greeting(data: bytes) -> None:
    def read(chunks: list[bytes]) -> Any:
        skipper, used = GreetingSkipper(), 0
        try:
            for chunk in chunks:
                used += skipper.feed(chunk)
        except BadReply as error:
            return str(error)
        return skipper.complete, skipper.code, used

    assert read([data]) == read(bytewise(data))


def _patterns(data: bytes) -> None:
    glob, _, path = decode(data).partition(" ")
    with contextlib.suppress(BadFacts):
        patterns = parse_patterns(glob)
        assert parse_patterns(format_patterns(patterns)) == patterns
        keep = Filter(patterns, ())
        assert keep(path, True)
        assert keep(path, False) is not Filter((), patterns)(path, False) or not patterns


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
            b"WAIT timeout=5;any=1; a\nDONE tag=1;bytes=5;\nWAIT a\nOPTS FTLITE 1",
            b"PBSZ 0\nOPTS UTF8 ON\nMDTM 20240101000000 a\nSITE UTIME 202401010000 a\nHASH a\nSTAT\nHELP SITE",
        ),
    ),
    "dialogue": Target(
        _dialogue,
        (
            b"USER a\nPASS b\nEPSV\nREST 5\nRETR f\nRNFR a\nRNTO b\nALLO 7\nPASV\nSTOR g\nREIN",
            b"USER a\nPASS b\nOPTS FTLITE 1\nHASH a\nABOR\nREST 5\nMLSD x\nREIN\nWAIT x",
            b"!USER a\nAUTH TLS\nUSER a\nPASS b\nPBSZ 0\nPROT P\nEPSV ALL\nEPSV\nPASV\nLIST\nAPPE x",
        ),
    ),
    "pairing": Target(
        _pairing,
        (
            b"220 hi\r\n150 a\r\n226 b\r\n200 c\r\n",
            b"120 a\r\n220-x\r\n220 y\r\n426 a\r\n226 b\r\n421 c\r\n",
            b"!220 x\r\n150 tag=1;stage=hash;\r\n213 tag=2;size=1; x\r\n226 y\r\n550 tag=1;kind=denied; x\r\n",
        ),
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
    "requests": Target(
        _requests,
        (
            b"GET tag=1;offset=7;if=3f-1;hash=blake3; a b\nLIST tag=2; -la d\nMLSD tag=3;\nABOR tag=1;\nHASH tag=4; a",
            b"PUT tag=2;size=5;modify=20261122101500.5;mode=0755;if=absent;fresh=1; x\nPUT tag=5;failed=1; x",
            b"DONE tag=2;bytes=5;entries=1;sha256="
            + b"0f" * 32
            + b";\nWAIT tag=9;timeout=5;since=v;any=1; a\nWAIT any=1; b",
            b"GET tag=3;type=tree;comp=zstd;include=%2A.o,b;exclude=c/;entries=2;inside=9; d",
            b"PUT tag=4;type=tree;replace=1;entries=0;size=0;blake3=" + b"0f" * 32 + b"; d",
        ),
    ),
    "answers": Target(
        _answers,
        (
            b"150 tag=1;offset=0;size=5;modify=20261122101500;mode=0644;version=3f1c; a b\r\n150 tag=1;stage=seal;",
            b"150 tag=4;type=tree;entries=2;inside=7;head=" + b"0f" * 32 + b";comp=zstd;stands=1; d",
            b"226 tag=1;bytes=5;entries=1;size=5;sha256=" + b"0f" * 32 + b";same=1;merged=1;left=3;version=v; a",
            b"213 type=file;size=1;modify=20261122101500;version=v; a\r\n450 tag=9;kind=timeout; late",
            b"200 FTLITE 1 id=8c6f00112233449a;key=000102030405060708090a0b0c0d0e0f;max=16;spares=2;",
        ),
    ),
    "offer": Target(_offer, (b"FTLITE 1 max=16;hash=sha256,blake3;comp=zstd;spares=2;",)),
    "first-line": Target(
        _first_line,
        (
            b"DATA 8c6f00112233449a.0000000001\r\nmore",
            b"DATA 8c6f00112233449a.0000000001 " + b"0f" * 32 + b"\r\nmore",
            b"PROOF " + b"0f" * 32 + b"\r\n",
            b"DELE x\r\n",
        ),
    ),
    "greeting": Target(_greeting, (b"220 hi\r\n\x16\x03", b"220-a\r\n220-b\r\n 220 c\r\n220 d\r\nmore", b"421\n")),
    "patterns": Target(_patterns, (b"%2A.o,b/%2A%2A a/b.o", b"**/%5Ba-z%5D?*,d/ x/y", b"*a*b*c aabbcc")),
}
