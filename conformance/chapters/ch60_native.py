"""Chapter 60: the native dialect switched on, and its tags (docs/protocol.md s.2 and s.4)."""

from __future__ import annotations

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.native import TEXT, fetched, native, offer, sha256, switch_on
from conformance.data import download
from conformance.place import place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target, TlsMode

_MUST, _SHOULD = Level.MUST, Level.SHOULD


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
        one.here.make("file", TEXT)
        one.get("file")
        two = switch_on(one.here, target)
        if (one.id, one.key) == (two.id, two.key):
            raise Failed("the id and key are those of before")
        fetched(two, "file")


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
        session.here.make("file", TEXT)
        begun, content, final = session.get("file")
        if content != TEXT or final.code != 226:
            raise Failed(f"{final.shown} and {len(content)} bytes")
        said = {name: final.facts.get(name) for name in ("bytes", "size", "sha256")}
        if said != {"bytes": str(len(TEXT)), "size": str(len(TEXT)), "sha256": sha256(TEXT)}:
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
        session.here.make("file", TEXT)
        want(session.here.command("PWD"), (257,), "PWD in native mode")
        if session.here.fetch("file") != TEXT:
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
        here.make("file", TEXT)
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
        session.here.make("file", TEXT)
        line = f"PROT {'P' if session.secured else 'C'}"
        session.here.command(line)
        reply = session.here.command(f"GET tag={session.tag()}; file")
        if reply.code in (150, 226) or b"tag=" in reply.lines[0][:9]:
            raise Failed(f"after {line}, GET with a tag is answered {reply.shown}")


@case(
    "tag-used-once",
    "docs/protocol.md s.4",
    _MUST,
    "A tag that was used is refused with 503 bad-tag.",
    "Replies of two transfers are taken for each other.",
)
def used_once(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
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
        session.here.make("file", TEXT)
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
        session.here.make("file", TEXT)
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
        session.here.make("file", TEXT)
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
        session.here.make("file", TEXT)
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
        session.here.make("file", TEXT)
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
            if data.receive_all() != TEXT:
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
