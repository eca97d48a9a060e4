"""Chapter 2, data on its way: it arrives as it was, its end is told when it is one, a break is none (RFC 959 s.3.4)."""

from __future__ import annotations

import os
import time

from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import download, transfer, upload
from conformance.place import place, want_done
from conformance.registry import Failed, Level, case
from conformance.wire import Target

_BIG = 16 * 1024 * 1024  #: bytes, more than the kernels of both ends hold back


@case(
    "data-empty-file",
    "RFC 959 s.3.4.1",
    Level.MUST,
    "An empty file comes as a data connection that ends at once, between 1xx and 226.",
    "Empty files hang or are taken for errors.",
)
def empty_file(target: Target) -> None:
    with place(target) as here:
        here.make("empty", b"")
        outcome = download(here.wire, "RETR empty")
        want_done(outcome, "RETR of an empty file")
        if outcome.first.code >= 200 or outcome.content:
            raise Failed(f"it came as {outcome.first.shown} and {outcome.content[:40]!r}")


@case(
    "data-all-bytes",
    "RFC 959 s.3.1.1.3",
    Level.MUST,
    "In TYPE I every byte goes and comes as it is: NUL, CR, LF, 255 and all pairs of them.",
    "Archives and pictures are damaged.",
)
def all_bytes(target: Target) -> None:
    odd = bytes([0, 10, 13, 26, 255, 244, 242])
    content = bytes(range(256)) + bytes(byte for one in odd for other in odd for byte in (one, other))
    with place(target) as here:
        want_done(upload(here.wire, "STOR all", content), "STOR")
        if here.fetch("all") != content:
            raise Failed("what came back differs")


@case(
    "data-large",
    "RFC 959 s.3.4.1",
    Level.MUST,
    "Sixteen MiB go and come as they are.",
    "Files of more than a few packets are damaged or cut.",
)
def large(target: Target) -> None:
    content = os.urandom(1024 * 1024) * (_BIG // (1024 * 1024))
    with place(target) as here:
        want_done(upload(here.wire, "STOR large", content), "STOR of 16 MiB")
        if here.fetch("large") != content:
            raise Failed("what came back differs")


@case(
    "data-one-final-reply",
    "RFC 959 s.5.4",
    Level.MUST,
    "A transfer gets one 1xx and one final reply, and nothing more.",
    "From the extra reply on, each answer is taken for that of another command.",
)
def one_final_reply(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        for line in ("RETR file", "LIST", "NLST"):
            download(here.wire, line)
        want_done(upload(here.wire, "STOR other", b"x"), "STOR")
        if said := here.wire.silent(0.3):
            raise Failed(f"after all transfers came {said[:80]!r}")
        want_alive(here.wire, "all of them")


@case(
    "data-final-reply-late",
    "RFC 959 s.5.4",
    Level.MUST,
    "The final reply to STOR does not come before the data connection has ended.",
    "Clients take a file for stored of which half is still under way.",
)
def final_reply_late(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR slow") as moving:
            moving.data.send(b"half ")
            if said := here.wire.silent(0.4):
                raise Failed(f"with the data connection still open it said {said[:80]!r}")
            moving.data.send(b"whole")
            moving.data.end()
            want(here.wire.reply(), (226, 250), "STOR")
        if (content := here.fetch("slow")) != b"half whole":
            raise Failed(f"it was stored as {content!r}")


@case(
    "data-client-leaves",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "A client that breaks the data connection of a download off is told 426 or the like, and the session goes on.",
    "Players and previews that read the beginning of a file lose their session.",
)
def client_leaves(target: Target) -> str:
    with place(target) as here:
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            moving.data.receive(1)
            moving.data.reset()
        reply = here.wire.reply()
        want_class(reply, "4", "a download that the client breaks off")
        want_alive(here.wire, "it")
        return reply.shown


@case(
    "data-upload-breaks",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "An upload whose data connection is reset is not confirmed.",
    "A client that died half-way has stored a file that looks whole.",
)
def upload_breaks(target: Target) -> str:
    with place(target) as here:
        with transfer(here.wire, "STOR broken") as moving:
            moving.data.send(b"half")
            time.sleep(0.1)
            moving.data.reset()
        reply = here.wire.reply()
        want_class(reply, "45", "an upload that breaks")
        want_alive(here.wire, "it")
        return reply.shown


@case(
    "data-slow-neighbour",
    "RFC 959 s.2.3",
    Level.MUST,
    "A download that its client does not read holds up no other session.",
    "One stalled client stops all others.",
)
def slow_neighbour(target: Target) -> None:
    with place(target) as here:
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            moving.data.receive(1)
            with place(target) as other:
                other.make("file")
                if other.fetch("file") != b"content\n":
                    raise Failed("another session's file did not come whole")
            moving.data.reset()
        here.wire.reply()
