"""Chapter 1, greeting and goodbye: RFC 959 s.5.4 from the first reply to the last."""

from __future__ import annotations

import socket
import struct
import time

from conformance.chapters.checks import want, want_alive, want_clean
from conformance.registry import Failed, Level, case
from conformance.wire import Target, TlsMode

_LOOKS, _PAUSE = 8, 0.1  # seconds between two looks at a session that must not have ended


@case(
    "greeting-220",
    "RFC 959 s.5.4",
    Level.MUST,
    "A new connection is greeted with 220, or with 120 and then 220.",
    "Clients take the server for busy or broken and give up before they log in.",
)
def greeting(target: Target) -> None:
    with target.raw() as wire:
        reply = wire.reply()
        if reply.code == 120:
            reply = wire.reply()
        want(reply, (220,), "connecting")


@case(
    "greeting-grammar",
    "RFC 959 s.4.2",
    Level.MUST,
    "The greeting keeps the grammar of replies.",
    "Clients wait for the end of a greeting that never comes.",
)
def greeting_grammar(target: Target) -> None:
    with target.raw() as wire:
        want_clean(wire.reply())


@case(
    "greeting-once",
    "RFC 1123 s.4.1.2.11",
    Level.MUST,
    "After the greeting the server says nothing unasked.",
    "Clients take the extra reply for that of their first command and are out of step ever after.",
)
def greeting_once(target: Target) -> None:
    with target.raw() as wire:
        wire.reply()
        if said := wire.silent(0.3):
            raise Failed(f"without a command it said {said[:80]!r}")


@case(
    "greeting-after-reset",
    "RFC 959 s.5.2",
    Level.MUST,
    "A connection that is reset at once harms no later one.",
    "A port scanner takes the service away from everybody.",
)
def greeting_after_reset(target: Target) -> None:
    for _ in range(3):
        with target.raw() as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with target.greeted() as wire:
        want_alive(wire, "three connections that were reset")


@case(
    "quit-before-login",
    "RFC 959 s.5.4 QUIT",
    Level.MUST,
    "QUIT before login is answered 221 and closes the connection.",
    "Clients that only looked hang when they leave.",
)
def quit_before_login(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command("QUIT"), (221,), "QUIT before login")
        if not wire.at_end():
            raise Failed("the connection stays open after 221")


@case(
    "quit-after-login",
    "RFC 959 s.5.4 QUIT",
    Level.MUST,
    "QUIT after login is answered 221 and closes the connection.",
    "Clients hang when they leave, and sessions pile up on the server.",
)
def quit_after_login(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("QUIT")
        want(reply, (221,), "QUIT")
        want_clean(reply)
        if not wire.at_end():
            raise Failed("the connection stays open after 221")


@case(
    "close-without-quit",
    "RFC 959 s.4.1.1 QUIT",
    Level.MUST,
    "A client that closes without QUIT ends only its session.",
    "One laptop that is shut cuts off everybody.",
)
def close_without_quit(target: Target) -> None:
    with target.session() as other:
        with target.session():
            pass
        for _ in range(_LOOKS):  # the server notices the end in its own time
            want_alive(other, "another session's end without QUIT")
            time.sleep(_PAUSE)


@case(
    "rein",
    "RFC 959 s.4.1.1 REIN",
    Level.MUST,
    "REIN, where it is known, takes the login away and keeps the connection.",
    "A client that hands its session on goes on with the rights of the user before.",
)
def rein(target: Target) -> str | None:
    with target.session() as wire:
        reply = wire.command("REIN")
        if reply.code in (500, 502):
            return "not known here"
        if reply.code == 120:
            reply = wire.reply()
        want(reply, (220,), "REIN")
        if target.tls is not TlsMode.NONE:
            return "what follows was not looked at: RFC 4217 s.11 leaves it open over TLS"
        want(wire.command("PWD"), (530, 503), "PWD after REIN")
        want(target.login(wire), (230, 202), "a login after REIN")
    return None


@case(
    "feat-before-login",
    "RFC 2389 s.3.2",
    Level.SHOULD,
    "FEAT is answered before login, so that TLS can be found.",
    "Clients cannot find out about TLS before they have sent a password in clear.",
)
def feat_before_login(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command("FEAT"), (211, 500, 502), "FEAT before login")
