"""Chapter 1, command lines: ends, cases, pieces, Telnet and length (RFC 959 s.5.3, RFC 1123 s.4.1.2, RFC 854)."""

from __future__ import annotations

import socket
import time

from conformance.chapters.checks import want, want_alive, want_class
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode, Wire

_IAC, _DONT, _DO, _WILL, _IP, _DM = b"\xff", b"\xfe", b"\xfd", b"\xfb", b"\xf4", b"\xf2"


@case(
    "line-verb-case",
    "RFC 959 s.5.3",
    Level.MUST,
    "Verbs mean the same in upper, lower and mixed case.",
    "Clients and people that write verbs in lower case get errors.",
)
def verb_case(target: Target) -> None:
    with target.session() as wire:
        for line, code in (("noop", 200), ("NoOp", 200), ("pwd", 257), ("sYST", 215)):
            want(wire.command(line), (code,), line)


@case(
    "line-parameter-case",
    "RFC 959 s.5.3",
    Level.MUST,
    "Letters that are parameters mean the same in any case.",
    "TYPE i fails where TYPE I works, and a client transfers in the wrong type.",
)
def parameter_case(target: Target) -> None:
    with target.session() as wire:
        for line in ("TYPE i", "type a", "TYPE a n", "MODE s", "stru f"):
            want(wire.command(line), (200,), line)


@case(
    "line-in-pieces",
    "RFC 1123 s.4.1.2.10",
    Level.MUST,
    "A line that arrives byte by byte is one command.",
    "Over a slow line, or with people typing, commands are torn apart.",
)
def in_pieces(target: Target) -> None:
    with target.session() as wire:
        for byte in b"NOOP\r\n":
            wire.send(bytes([byte]))
            time.sleep(0.01)
        want(wire.reply(), (200,), "NOOP sent byte by byte")
        if said := wire.silent(0.2):
            raise Failed(f"a second reply came: {said[:80]!r}")


@case(
    "line-cut-in-crlf",
    "RFC 1123 s.4.1.2.10",
    Level.MUST,
    "A line whose CR and LF arrive apart is one command.",
    "A packet boundary at the wrong place makes two commands of one.",
)
def cut_in_crlf(target: Target) -> None:
    with target.session() as wire:
        wire.send(b"NOOP\r")
        if said := wire.silent(0.2):
            raise Failed(f"CR alone was taken for the end: {said[:80]!r}")
        wire.send(b"\n")
        want(wire.reply(), (200,), "NOOP with CR and LF apart")
        want_alive(wire, "it")


@case(
    "line-many-at-once",
    "RFC 1123 s.4.1.2.10",
    Level.MUST,
    "Lines that arrive together are answered in order.",
    "Commands are lost or answered in the wrong order when packets are merged.",
)
def many_at_once(target: Target) -> None:
    with target.session() as wire:
        wire.send(b"NOOP\r\nPWD\r\nSYST\r\nTYPE I\r\nNOOP\r\n")
        for position, code in enumerate((200, 257, 215, 200, 200), 1):
            want(wire.reply(), (code,), f"command {position} of five sent together")


@case(
    "line-goodbye-at-once",
    "RFC 959 s.5.4",
    Level.SHOULD,
    "Commands sent with QUIT are answered before its 221.",
    "A script that sends all its commands at once loses the last replies.",
)
def goodbye_at_once(target: Target) -> None:
    with target.session() as wire:
        wire.send(b"NOOP\r\nPWD\r\nQUIT\r\n")
        for line, code in (("NOOP", 200), ("PWD", 257), ("QUIT", 221)):
            want(wire.reply(), (code,), f"{line} sent together with QUIT")


@case(
    "line-bare-lf",
    "RFC 1123 s.4.1.2.10",
    Level.MAY,
    "A line that ends in LF alone is taken too.",
    "Hand-made clients and `nc` get no reply.",
)
def bare_lf(target: Target) -> None:
    with target.session() as wire:
        wire.patience = 1.0
        wire.send(b"NOOP\n")
        want(wire.reply(), (200,), "NOOP with LF alone")


@case(
    "line-trailing-blank",
    "RFC 959 s.5.3",
    Level.MAY,
    "A blank after a verb without argument does no harm.",
    "Clients that put a blank after every verb get errors.",
)
def trailing_blank(target: Target) -> None:
    with target.session() as wire:
        want(wire.command("NOOP "), (200,), "NOOP with a blank after it")


@case(
    "line-empty",
    "RFC 959 s.5.3",
    Level.SHOULD,
    "An empty line ends no session.",
    "A stray line end throws the user out.",
)
def empty(target: Target) -> None:
    with target.session() as wire:
        wire.send(b"\r\nNOOP\r\n")
        reply = wire.reply()
        if reply.code != 200:
            want_class(reply, "5", "an empty line")
            want(wire.reply(), (200,), "NOOP after an empty line")


@case(
    "line-nul",
    "RFC 959 s.5.3",
    Level.MUST,
    "A line with NUL is not obeyed as if it ended there.",
    "A name is cut where a checker in between did not expect it, and another file is touched.",
)
def nul(target: Target) -> None:
    with target.session() as wire:
        try:
            reply = wire.command(b"CWD /\0conformance-none")
        except Closed:
            return
        want_class(reply, "45", "CWD to a name with NUL")
        want_alive(wire, "a line with NUL")


@case(
    "line-eight-bit",
    "RFC 2640 s.3.1",
    Level.MUST,
    "A name of bytes beyond ASCII, UTF-8 or not, gets a reply.",
    "Files with other letters than English ones cannot be named, or end the session.",
)
def eight_bit(target: Target) -> None:
    with target.session() as wire:
        for name in ("größe-日本".encode(), b"gr\xf6\xdfe", b"\x80\x81\xc0"):
            want_class(wire.command(b"SIZE conformance-" + name), "45", f"SIZE of {name!r}")
        want_alive(wire, "names beyond ASCII")


@case(
    "line-too-long",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "A line of 64 KiB is refused or ends its session alone.",
    "One line takes the memory, or the service, away from everybody.",
)
def too_long(target: Target) -> str | None:
    remark = None
    with target.session() as other:
        with target.session() as wire:
            try:
                want_class(wire.command(b"SIZE " + b"x" * 65536), "45", "a line of 64 KiB")
            except Closed:
                remark = "it closed the connection"
        want_alive(other, "another session's line of 64 KiB")
    return remark


@case(
    "line-too-long-once",
    "RFC 959 s.4.2.2",
    Level.SHOULD,
    "A line of 16 KiB gets one reply and the session goes on.",
    "A very long path puts client and server out of step.",
)
def too_long_once(target: Target) -> None:
    with target.session() as wire:
        want_class(wire.command(b"SIZE " + b"x" * 16384), "45", "a line of 16 KiB")
        want_alive(wire, "a line of 16 KiB")


@case(
    "line-never-ending",
    "RFC 959 s.5.2",
    Level.MUST,
    "A line that does not end holds up no other session.",
    "One client that sends half a line stops all others.",
)
def never_ending(target: Target) -> None:
    with target.session() as other, target.greeted() as wire:
        wire.send(b"x" * 4096)
        want_alive(other, "half a line elsewhere")


@case(
    "telnet-option",
    "RFC 854",
    Level.SHOULD,
    "An IAC DO for an unknown option before a command does not spoil it.",
    "Clients that negotiate Telnet options lose their first command.",
)
def telnet_option(target: Target) -> str | None:
    with target.session() as wire:
        wire.send(_IAC + _DO + b"\x06" + b"NOOP\r\n")
        return _after_telnet(wire.telnet_line())


@case(
    "telnet-will",
    "RFC 854",
    Level.SHOULD,
    "An IAC WILL for an unknown option before a command does not spoil it.",
    "Clients that negotiate Telnet options lose their first command.",
)
def telnet_will(target: Target) -> str | None:
    with target.session() as wire:
        wire.send(_IAC + _WILL + b"\x06" + b"NOOP\r\n")
        return _after_telnet(wire.telnet_line())


def _after_telnet(said: bytes) -> str | None:
    refusals = (_IAC + b"\xfc\x06", _IAC + _DONT + b"\x06")
    refused = said.startswith(refusals)
    if not said.removeprefix(refusals[0]).removeprefix(refusals[1]).startswith(b"200"):
        raise Failed(f"it answered {said[:80]!r}")
    return None if refused else "the option is not refused but passed over"


@case(
    "telnet-abort",
    "RFC 959 s.4.1.3",
    Level.MUST,
    "IAC IP IAC DM before ABOR does not spoil it.",
    "Transfers cannot be stopped by the clients that signal as RFC 959 says.",
)
def telnet_abort(target: Target) -> None:
    with target.session() as wire:
        codes = _abort_codes(wire)
        want(wire.command(_IAC + _IP + _IAC + _DM + b"ABOR"), codes, "ABOR after IP and DM")
        want_alive(wire, "it")


@case(
    "telnet-synch",
    "RFC 959 s.4.1.3",
    Level.MUST,
    "ABOR after IP and a Synch in urgent data is found and answered.",
    "Transfers cannot be stopped by the clients that signal as RFC 959 says.",
)
def telnet_synch(target: Target) -> None:
    if target.tls is not TlsMode.NONE:
        raise Skipped("TLS carries no urgent data")
    with target.session() as wire:
        codes = _abort_codes(wire)
        wire.send(_IAC + _IP)
        wire.socket.send(_IAC + _DM, socket.MSG_OOB)
        wire.send(b"ABOR\r\n")
        want(wire.reply(), codes, "ABOR after a Synch")
        want_alive(wire, "it")


def _abort_codes(wire: Wire) -> tuple[int, ...]:
    """What ABOR may get with Telnet signals before it. A refusal proves nothing: a spoiled ABOR gets one too."""
    if wire.command("ABOR").code not in (225, 226):
        raise Skipped("ABOR is not known here")
    return (225, 226)
