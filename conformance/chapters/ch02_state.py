"""Chapter 2, order: what a session remembers from one command to the next, and what it forgets (RFC 959 s.6)."""

from __future__ import annotations

from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.data import download
from conformance.place import place, want_done, working_directory
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target, TlsMode

_WRONG_FILE = "Another file than the one that was meant is renamed."


@case(
    "state-rnto-once",
    "RFC 959 s.5.4 RNTO",
    Level.MUST,
    "An RNFR serves one RNTO; the second is refused.",
    _WRONG_FILE,
)
def rnto_once(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want(here.command("RNFR file"), (350,), "RNFR")
        want(here.command("RNTO one"), (250,), "RNTO")
        want_class(here.command("RNTO two"), "5", "a second RNTO")
        here.fetch("one")


@case(
    "state-rnto-at-once",
    "RFC 959 s.4.1.3 RNTO",
    Level.MAY,
    "RNTO counts only right after RNFR: with another command in between it is 503.",
    _WRONG_FILE,
)
def rnto_at_once(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want(here.command("RNFR file"), (350,), "RNFR")
        here.command("PWD")
        want(here.command("RNTO new"), (503,), "RNTO after RNFR and PWD")


@case(
    "state-rnfr-last",
    "RFC 959 s.4.1.3 RNFR",
    Level.MUST,
    "Of two RNFR the last is the one that counts, unless the second is refused.",
    _WRONG_FILE,
)
def rnfr_last(target: Target) -> str | None:
    with place(target) as here:
        here.make("one", b"1\n")
        here.make("two", b"2\n")
        want(here.command("RNFR one"), (350,), "RNFR")
        second = here.command("RNFR two")
        if second.code != 350:
            want_class(second, "5", "a second RNFR")
            return f"a second RNFR is refused: {second.shown}"
        want(here.command("RNTO new"), (250, 503), "RNTO after two RNFR")
        if here.fetch("one") != b"1\n":
            raise Failed("the first was renamed")
    return None


@case(
    "state-rest-forgotten",
    "RFC 959 s.4.1.3 REST",
    Level.MUST,
    "REST serves one transfer; the next begins at the beginning.",
    "The file after a resumed one comes without its beginning.",
)
def rest_forgotten(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"0123456789")
        reply = here.known("REST 5")
        want(reply, (350,), "REST 5")
        first = download(here.wire, "RETR file")
        want_done(first, "RETR after REST")
        if first.content != b"56789":
            raise Failed(f"after REST 5 the file came as {first.content!r}")
        if (content := here.fetch("file")) != b"0123456789":
            raise Failed(f"the next one came as {content!r}")


@case(
    "state-rest-not-for-list",
    "RFC 959 s.4.1.3 REST",
    Level.SHOULD,
    "REST does not cut the listing that follows it.",
    "A directory is shown without its first files.",
)
def rest_not_for_list(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want(here.known("REST 5"), (350,), "REST 5")
        names = here.names()
        if names != [b"file"]:
            raise Failed(f"NLST after REST 5 gives {names!r}")


@case(
    "state-new-session-fresh",
    "RFC 959 s.4.1.1 USER",
    Level.MUST,
    "A new session begins in the login directory, wherever another one is.",
    "A script works in another directory each time.",
)
def new_session_fresh(target: Target) -> None:
    with place(target) as here, target.session() as one, target.session() as other:
        if (first := working_directory(one)) != (second := working_directory(other)):
            raise Failed(f"one session begins in {first!r}, the next in {second!r}")
        if first == here.path:
            raise Failed(f"a new session begins in {first!r}, where another one is")


@case(
    "state-rein-resets",
    "RFC 959 s.4.1.1 REIN",
    Level.MUST,
    "After REIN and a new login the working directory and the type are those of a new session.",
    "The next user's files go where the last one was.",
)
def rein_resets(target: Target) -> None:
    if target.tls is not TlsMode.NONE:
        raise Skipped("RFC 4217 s.11 leaves open what REIN does over TLS")
    with place(target) as here:
        want(here.known("REIN"), (220, 120), "REIN")
        want(target.login(here.wire), (230, 202), "a login after REIN")
        if working_directory(here.wire) == here.path:
            raise Failed(f"after REIN the session is still in {here.path}")


@case(
    "state-pass-again",
    "RFC 959 s.4.1.1 PASS",
    Level.SHOULD,
    "A second PASS in a session that is logged in gets a reply of PASS and takes no login away.",
    "Clients that send the password twice lose their login.",
)
def pass_again(target: Target) -> None:
    with target.session() as wire:
        want(wire.command(f"PASS {target.password}"), (202, 230, 503, 530), "PASS after login")
        want(wire.command("PWD"), (257,), "PWD after a second PASS")


@case(
    "state-cwd-removed",
    "RFC 959 s.4.1.1 CWD",
    Level.SHOULD,
    "When the working directory is removed, the session can still leave it.",
    "Whoever removes a tree from inside has to log in again.",
)
def cwd_removed(target: Target) -> None:
    with place(target) as here, target.session() as other:
        here.make_directory("dir")
        want(here.command("CWD dir"), (250,), "CWD")
        other.command(f"CWD {here.path}")
        if other.command("RMD dir").code != 250:
            raise Skipped("a directory that a session is in cannot be removed")
        download(here.wire, "LIST")
        want(here.command(f"CWD {here.path}"), (250,), "CWD out of a directory that was removed")


@case(
    "state-unknown-verb-harmless",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "A verb that is not known changes nothing about the session.",
    "A client that tries a new feature loses its place.",
)
def unknown_verb_harmless(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("XYZZ plugh"), "5", "XYZZ")
        if working_directory(here.wire) != here.path:
            raise Failed("the working directory is another")
        here.make("file")
        here.fetch("file")


@case(
    "state-wrong-parameters-harmless",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "Thirty refused commands in a row leave the session in step and logged in.",
    "A client that probes for features is thrown out.",
)
def many_refusals(target: Target) -> None:
    with place(target) as here:
        for _ in range(10):
            for line in ("CWD none", "RNFR none", "TYPE Q"):
                want_class(here.command(line), "45", line)
        want(here.command("PWD"), (257,), "PWD after thirty refusals")


@case(
    "state-stat-says",
    "RFC 959 s.4.1.3 STAT",
    Level.MAY,
    "STAT tells something about the session over several lines.",
    "People who ask how things stand are told nothing.",
)
def stat_says(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("STAT")
        want_class(reply, "2", "STAT")
        want_clean(reply)
        if len(reply.lines) < 3:
            raise Failed(f"STAT is answered {reply.shown}")


@case(
    "state-site-help",
    "RFC 1123 s.4.1.2.8",
    Level.MAY,
    "SITE HELP tells which SITE commands there are.",
    "Nobody finds the server's own commands.",
)
def site_help(target: Target) -> None:
    with target.session() as wire:
        want(wire.command("SITE HELP"), (200, 211, 214), "SITE HELP")


@case(
    "state-help-names-verbs",
    "RFC 959 s.4.1.3 HELP",
    Level.SHOULD,
    "HELP names the verbs of the minimum implementation.",
    "Whoever tries the server by hand is not helped.",
)
def help_names_verbs(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("HELP")
        want(reply, (211, 214), "HELP")
        text = b" ".join(reply.lines).upper()
        if missing := [verb for verb in (b"USER", b"QUIT", b"PORT", b"TYPE", b"RETR", b"STOR") if verb not in text]:
            raise Failed(f"HELP does not name {missing!r}")


@case(
    "state-hundred-commands",
    "RFC 959 s.5.4",
    Level.MUST,
    "A hundred commands sent at once get a hundred replies.",
    "Clients that send many commands ahead lose replies, or both sides wait for ever.",
)
def hundred_commands(target: Target) -> None:
    with target.session() as wire:
        wire.send(b"NOOP\r\n" * 100)
        for number in range(100):
            want(wire.reply(), (200,), f"NOOP {number + 1} of 100 sent together")
        want_alive(wire, "them")
