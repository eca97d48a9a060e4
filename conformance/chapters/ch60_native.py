"""Chapter 60: the native dialect switched on, its data connections and its tags (docs/protocol.md s.2 to s.4)."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.native import Native, ended, native, offer, sha256, switch_on
from conformance.chapters.secured import cut
from conformance.data import Data, download
from conformance.place import place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode

_MUST, _SHOULD = Level.MUST, Level.SHOULD
_TEXT = b"hello native world\n" * 50


@case(
    "native-offer",
    "docs/protocol.md s.2",
    _MUST,
    "FEAT's FTLITE line has its form, and its hash names sha256.",
    "Clients do not find the dialect, or have no digest in common.",
)
def offered(target: Target) -> str:
    with place(target) as here:
        facts = offer(here)
        if "sha256" not in facts.get("hash", "sha256").split(","):
            raise Failed(f"hash={facts['hash']}")
        return ";".join(f"{name}={value}" for name, value in facts.items())


@case(
    "native-on",
    "docs/protocol.md s.2",
    _MUST,
    "OPTS FTLITE 1 is answered 200 with a fresh id, a key, max and spares.",
    "No native transfer is possible.",
)
def on(target: Target) -> None:
    with native(target) as one, native(target) as two:
        if one.id == two.id or one.key == two.key:
            raise Failed("two sessions have the same id or key")


@case(
    "native-on-again",
    "docs/protocol.md s.2",
    _MUST,
    "A second OPTS FTLITE 1 gives a new id and key, and tags begin afresh.",
    "What was learnt of the first can be used still.",
)
def on_again(target: Target) -> None:
    with native(target) as one:
        one.here.make("file", _TEXT)
        one.get("file")
        two = switch_on(one.here, target)
        if (one.id, one.key) == (two.id, two.key):
            raise Failed("the id and key are those of before")
        _content(two, "file")


def _content(session: Native, path: str) -> None:
    begun, content, final = session.get(path)
    if final.code != 226 or content != _TEXT:
        raise Failed(f"GET is answered {begun.shown}, {final.shown} and {len(content)} bytes")


@case(
    "native-needs-login",
    "docs/protocol.md s.2",
    _MUST,
    "Before login OPTS FTLITE 1 is refused with 530.",
    "Strangers use up what is for users.",
)
def needs_login(target: Target) -> None:
    with place(target) as here:
        offer(here)
    with target.greeted() as wire:
        want(wire.command("OPTS FTLITE 1"), (530,), "OPTS FTLITE 1 before login")


@case(
    "native-version",
    "docs/protocol.md s.2",
    _MUST,
    "Another version than 1 is refused with 501.",
    "A newer client and the server misunderstand each other.",
)
def version(target: Target) -> None:
    with place(target) as here:
        offer(here)
        want(here.command("OPTS FTLITE 2"), (501,), "OPTS FTLITE 2")


@case(
    "native-needs-protection",
    "docs/protocol.md s.2",
    _MUST,
    "Under TLS without PROT P the dialect is refused with 503 where data must be encrypted, else granted.",
    "Files travel in clear although the server's owner forbade it.",
)
def needs_protection(target: Target) -> str:
    if target.tls is not TlsMode.EXPLICIT:
        raise Skipped("it needs explicit TLS")
    with place(target) as here:
        offer(here)
    with target.greeted() as wire:
        want(target.login(wire), (230,), "the login")
        reply = wire.command("OPTS FTLITE 1")
        want(reply, (200, 503), "OPTS FTLITE 1 without PROT P")
        return reply.shown[:3]


@case(
    "native-get",
    "docs/protocol.md s.4 GET",
    _MUST,
    "GET brings the content over one connection to the same port, with sizes and digest on the control connection.",
    "Nothing can be downloaded.",
)
def get(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        begun, content, final = session.get("file")
        if content != _TEXT or final.code != 226:
            raise Failed(f"{final.shown} and {len(content)} bytes")
        said = {name: final.facts.get(name) for name in ("bytes", "size", "sha256")}
        if said != {"bytes": str(len(_TEXT)), "size": str(len(_TEXT)), "sha256": sha256(_TEXT)}:
            raise Failed(f"the final reply is {final.shown}")
        if missing := {"offset", "size", "modify", "mode", "version"} - set(begun.facts):
            raise Failed(f"the 150 lacks {', '.join(sorted(missing))}: {begun.shown}")


@case(
    "native-get-empty",
    "docs/protocol.md s.4 GET",
    _MUST,
    "GET of an empty file ends at once with the digest of nothing.",
    "Empty files cannot be downloaded.",
)
def get_empty(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", b"")
        _, content, final = session.get("file")
        if content or final.facts.get("sha256") != sha256(b""):
            raise Failed(f"{final.shown} and {len(content)} bytes")


@case(
    "native-stock-stays",
    "docs/protocol.md s.2",
    _MUST,
    "In native mode the stock verbs work as before, with their own data connections.",
    "Clients lose what the dialect does not have.",
)
def stock_stays(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        want(session.here.command("PWD"), (257,), "PWD in native mode")
        if session.here.fetch("file") != _TEXT:
            raise Failed("RETR brings another content")


@case(
    "native-off-get-is-retr",
    "docs/protocol.md s.2",
    _SHOULD,
    "Out of native mode GET and PUT are other names of RETR and STOR, and DONE is refused with 503.",
    "People who type get are told that it does not exist.",
)
def off(target: Target) -> None:
    with place(target) as here:
        offer(here)
        here.make("file", _TEXT)
        got = download(here.wire, "GET file")
        want_done(got, "GET out of native mode")
        want(here.command(f"DONE tag=1;bytes=0;sha256={sha256(b'')};"), (503,), "DONE out of native mode")


@case(
    "native-ended-by-prot",
    "docs/protocol.md s.2",
    _MUST,
    "USER, REIN and PROT end native mode: commands with tags no longer count, nor do data lines.",
    "The next user's session can be reached with the key of the one before.",
)
def ended_by(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        line = f"PROT {'P' if session.secured else 'C'}"
        session.here.command(line)
        reply = session.here.command(f"GET tag={session.tag()}; file")
        if reply.code in (150, 226) or b"tag=" in reply.lines[0][:9]:
            raise Failed(f"after {line}, GET with a tag is answered {reply.shown}")


@case(
    "data-line-early",
    "docs/protocol.md s.3",
    _MUST,
    "A proven data connection that comes before its command waits for it.",
    "Whether a transfer works depends on which packet is faster.",
)
def early(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        data = session.dial(tag)
        session.here.command("NOOP")
        session.send(f"GET tag={tag}; file")
        if session.begun(tag).code != 150 or data.receive_all() != _TEXT:
            raise Failed("the connection that came early brings another content")
        data.end()
        if (final := session.final(tag)).code != 226:
            raise Failed(final.shown)


def _refused_line(session: Native, dial: Callable[[], Data], tag: int, what: str) -> None:
    """Failed unless the connection that `dial` makes is closed, and the tag waits on for the right one."""
    with contextlib.suppress(OSError, Closed):  # a reset may overtake the greeting
        data = dial()
        if not ended(data):
            raise Failed(f"{what} is not closed")
        data.socket.close()
    right = session.dial(tag)
    if right.receive_all() != _TEXT:
        raise Failed(f"after {what}, the right connection brings another content")
    right.end()
    if (final := session.final(tag)).code != 226:
        raise Failed(f"after {what}: {final.shown}")


@case(
    "data-line-forged",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection with a wrong proof is closed without content, and the tag waits on for the right one.",
    "Whoever sees an id reads the files of its session.",
)
def forged(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        _refused_line(session, lambda: session.dial(tag, proof="0" * 64), tag, "a wrong proof")


@case(
    "data-line-proof-of-other-tag",
    "docs/protocol.md s.3",
    _MUST,
    "The proof of one tag does not open another.",
    "Whoever saw one proof reads every later file.",
)
def proof_of_other(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        other = session.proof(tag + 1)
        _refused_line(session, lambda: session.dial(tag, proof=other), tag, "another tag's proof")


@case(
    "data-line-no-proof",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection without a proof is closed without content.",
    "Whoever sees an id reads the files of its session.",
)
def no_proof(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        line = f"DATA {session.id}.{tag:010}\r\n".encode()

        def dial() -> Data:
            if not session.secured:
                return Data(session.plain(line + b"x" * 80), session.here.wire)
            data = Data(session.plain(line), session.here.wire)
            data.secure()
            data.send(b"NOOP no proof at all, and as long as one, so that nothing is waited for.\r\n")
            return data

        _refused_line(session, dial, tag, "a connection without a proof")


@case(
    "data-line-repeated",
    "docs/protocol.md s.3",
    _MUST,
    "A second data connection for a tag is closed without content.",
    "Whoever saw a data line reads the file once more.",
)
def repeated(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        session.begun(tag)
        first = session.dial(tag)
        if first.receive_all() != _TEXT:
            raise Failed("the first connection brings another content")
        _closed(session, tag, "a second connection")
        first.end()
        session.final(tag)


def _closed(session: Native, tag: int, what: str, known_as: str | None = None) -> None:
    try:
        data = session.dial(tag, known_as=known_as)
    except (Failed, OSError):
        return
    if not ended(data):
        raise Failed(f"{what} is not closed")
    data.socket.close()


@case(
    "data-line-late",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection for a tag whose command has ended is closed at once.",
    "Connections pile up for transfers that are over.",
)
def late(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        _content(session, "file")
        _closed(session, 1, "a connection for a tag that has ended")
        want_alive(session.here.wire, "a late connection")


@case(
    "data-line-unknown-id",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection for an id that nobody has is closed at once.",
    "Strangers hold connections open without an account.",
)
def unknown_id(target: Target) -> None:
    with native(target) as session:
        _closed(session, 1, "a connection for an unknown id", "0123456789abcdef")


@case(
    "data-line-of-ended-session",
    "docs/protocol.md s.2",
    _MUST,
    "After its session has ended an id opens nothing.",
    "Whoever learnt a key goes on after the user has left.",
)
def of_ended_session(target: Target) -> None:
    with native(target) as other:
        with native(target) as session:
            lost = Native(other.here, target, session.id, session.key, 1, 0)
        _closed(lost, 7, "a connection for a session that has ended")


@case(
    "data-line-in-pieces",
    "docs/protocol.md s.3",
    _MUST,
    "A data line that arrives in pieces is read whole.",
    "Over slow lines no transfer begins.",
)
def in_pieces(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        line = f"DATA {session.id}.{tag:010}" + ("" if session.secured else f" {session.proof(tag)}") + "\r\n"
        connection = session.plain(line[:3].encode())
        for piece in (line[3:20], line[20:-1], line[-1:]):
            session.here.command("NOOP")
            connection.sendall(piece.encode())
        data = Data(connection, session.here.wire)
        if session.secured:
            data.secure()
            data.send(f"PROOF {session.proof(tag)}\r\n".encode())
        if data.receive_all() != _TEXT:
            raise Failed("the connection brings another content")
        data.end()
        session.final(tag)


@case(
    "data-line-greeting",
    "docs/protocol.md s.3",
    _MUST,
    "On a port that begins in clear exactly one reply comes before the content, of at most 4,096 octets.",
    "Clients take the greeting for content, or the content for a greeting.",
)
def greeting(target: Target) -> None:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("on this port nothing is greeted before data")
    with native(target) as session:
        connection = socket.create_connection((target.host, target.port), timeout=session.here.wire.seconds())
        with connection:
            connection.settimeout(session.here.wire.seconds())
            got = connection.recv(8192)
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                got += connection.recv(8192)
            if len(got) > 4096 or not re.match(rb"\d{3}[ -]", got) or not got.endswith(b"\r\n"):
                raise Failed(f"the greeting is {got[:80]!r}, {len(got)} bytes")


@case(
    "data-native-close-notify",
    "docs/protocol.md s.3",
    _MUST,
    "Under TLS the server ends its data with close_notify.",
    "A download that was cut cannot be told from one that ended.",
)
def close_notify(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        data = session.dial(tag)
        data.receive_all()
        if not data.clean:
            raise Failed("the data connection ended without close_notify")
        data.end()
        session.final(tag)


@case(
    "data-native-cut",
    "docs/protocol.md s.3",
    _MUST,
    "Under TLS an upload that ends without close_notify is cut: 426, and nothing is published.",
    "Whoever is in the middle cuts a file short.",
)
def data_cut(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        tag = session.tag()
        session.send(f"PUT tag={tag};size={len(_TEXT)}; file")
        data = session.dial(tag)
        data.send(_TEXT)
        cut(data.socket)
        session.send(f"DONE tag={tag};bytes={len(_TEXT)};sha256={sha256(_TEXT)};")
        final = session.final(tag)
        data.socket.close()
        if final.code != 426:
            raise Failed(f"an upload without close_notify is answered {final.shown}")
        if session.here.exists("file"):
            raise Failed("the file has its name")


@case(
    "data-native-no-tls",
    "docs/protocol.md s.3",
    _MUST,
    "Under PROT P a data connection in clear moves nothing.",
    "Files travel in clear although protection was asked for.",
)
def no_tls(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        session.here.make("file", _TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        plain = session.plain(f"DATA {session.id}.{tag:010}\r\nPROOF {session.proof(tag)}\r\n".encode())
        plain.settimeout(3.0)
        got = b""
        try:
            while piece := plain.recv(4096):
                got += piece
        except (OSError, ssl.SSLError):
            pass
        plain.close()
        if _TEXT[:18] in got:
            raise Failed("the content came in clear")


@case(
    "tag-used-once",
    "docs/protocol.md s.4",
    _MUST,
    "A tag that was used is refused with 503 bad-tag.",
    "Replies of two transfers are taken for each other.",
)
def used_once(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag, first = session.ask("HASH  file")
        session.send(f"HASH tag={tag}; file")
        again = session.final(tag)
        if first.code != 213 or (again.code, again.kind) != (503, "bad-tag"):
            raise Failed(f"the first is answered {first.shown}, the second {again.shown}")


@case(
    "tag-window",
    "docs/protocol.md s.4",
    _MUST,
    "A fresh tag up to 64 below the highest is taken, one further below refused with 503 bad-tag.",
    "A client whose commands overtake each other fails.",
)
def window(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        for tag, code in ((100, 213), (36, 213), (35, 503)):
            session.send(f"HASH tag={tag}; file")
            if (said := session.final(tag)).code != code:
                raise Failed(f"after tag 100, tag {tag} is answered {said.shown}")


@case(
    "tag-unreadable",
    "docs/protocol.md s.4",
    _MUST,
    "A native command without a tag, or with one that is none, is answered 501 without a tag.",
    "A client waits for a reply that has no name.",
)
def unreadable(target: Target) -> None:
    with native(target) as session:
        for line in ("GET file", "GET tag=0; file", "GET tag=x; file", "GET tag=2147483648; file"):
            want(session.here.command(line), (501,), line)
        want_alive(session.here.wire, "tags that are none")


@case(
    "tag-bad-fact",
    "docs/protocol.md s.4",
    _MUST,
    "A fact that cannot be read is answered 501 bad-fact, which uses the tag up.",
    "A client and a server differ on which transfer it is.",
)
def bad_fact(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tag, said = session.ask("GET offset=x; file")
        session.send(f"GET tag={tag}; file")
        again = session.final(tag)
        if (said.code, said.kind, again.kind) != (501, "bad-fact", "bad-tag"):
            raise Failed(f"{said.shown}, then {again.shown}")


@case(
    "tag-fact-twice",
    "docs/protocol.md s.2",
    _MUST,
    "A fact given twice with two values is an error.",
    "A filter in between and the server read two different commands.",
)
def fact_twice(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        if (said := session.ask("GET offset=1;offset=2; file")[1]).code != 501:
            raise Failed(said.shown)


@case(
    "tag-unknown-fact",
    "docs/protocol.md s.2",
    _MUST,
    "A fact that is not known is passed over.",
    "Newer clients do not work.",
)
def unknown_fact(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        if (said := session.ask("HASH unheard-of=1; file")[1]).code != 213:
            raise Failed(said.shown)


@case(
    "tags-at-once",
    "docs/protocol.md s.4",
    _MUST,
    "Transfers run at once, untagged commands are answered meanwhile, and one beyond max gets 450 too-many.",
    "A client waits for transfers that the server never began.",
)
def at_once(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        tags = [session.tag() for _ in range(session.most)]
        for tag in tags:
            session.send(f"GET tag={tag}; file")
        over, said = session.ask("GET  file")
        if (said.code, said.kind) != (450, "too-many"):
            raise Failed(f"transfer {over} of at most {session.most} is answered {said.shown}")
        session.send("NOOP")
        if session.answer(None).code != 200:
            raise Failed("NOOP is not answered while transfers run")
        for tag in reversed(tags):
            data = session.dial(tag)
            if data.receive_all() != _TEXT:
                raise Failed(f"tag {tag} brings another content")
            data.end()
            if (final := session.final(tag)).code != 226:
                raise Failed(final.shown)


@case(
    "tag-never-first-in-untagged",
    "docs/protocol.md s.2",
    _MUST,
    "The text of an untagged reply never begins with tag=.",
    "Whoever may make a directory forges replies of transfers.",
)
def never_first(target: Target) -> None:
    with native(target) as session:
        for line in ("SITE tag=1;", "HELP tag=1;", "OPTS tag=1;", "tag=1; x"):
            reply = session.here.command(line)
            if reply.lines[0][4:8] == b"tag=":
                raise Failed(f"{line} is answered {reply.shown}")
            want_class(reply, "25", line)
