"""Chapter 2, other letters than English ones: UTF-8 in names, and the language of replies (RFC 2640)."""

from __future__ import annotations

import re
import unicodedata

from conformance.chapters.ch02_features import features
from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import download
from conformance.place import place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target, Wire

_NAMES = {
    "latin": "größe-æø-éè", "cyrillic": "Файл", "cjk": "日本語のファイル", "arabic": "ملف", "emoji": "🦊-🎉",
    "combining": unicodedata.normalize("NFD", "é-ü"),
}  # fmt: skip
_TAG = r"[A-Z]{1,8}(-[A-Z]{1,8})*\*?"
_LOST = "Files with other letters than English ones cannot be had, or get other names."


def _round_trip(kind: str, name: str) -> None:
    says = f"A name in {kind} letters goes and comes as UTF-8, byte for byte."
    if kind in ("emoji", "combining"):
        says = f"A name with {kind} characters goes and comes as UTF-8, byte for byte."

    @case(f"utf8-{kind}", "RFC 2640 s.2.2", Level.MUST, says, _LOST)
    def check(target: Target) -> None:
        with place(target) as here:
            here.make(name)
            names = here.names()
            if names != [name.encode()]:
                raise Failed(f"after STOR of {name.encode()!r} NLST gives {names!r}")
            here.fetch(name)
            want(here.command(f"DELE {name}"), (250,), f"DELE {name}")


for _kind, _name in _NAMES.items():
    _round_trip(_kind, _name)


@case("utf8-feat", "RFC 2640 s.3.2", Level.MUST, "FEAT lists UTF8.", "Clients show and send other letters wrongly.")
def feat(target: Target) -> None:
    with target.session() as wire:
        if not any(feature.upper().split()[:1] == ["UTF8"] for feature in features(wire)):
            raise Failed("it does not")


@case("utf8-pwd", "RFC 2640 s.2.2", Level.MUST, "PWD names a directory in UTF-8, byte for byte.", _LOST)
def pwd(target: Target) -> None:
    with place(target) as here:
        here.make_directory("größe")
        want(here.command("CWD größe"), (250,), "CWD")
        reply = here.command("PWD")
        if "/größe".encode() not in reply.lines[0]:
            raise Failed(f"PWD is answered {reply.lines[0]!r}")


@case("utf8-list", "RFC 2640 s.2.2", Level.MUST, "LIST names a file in UTF-8, byte for byte.", _LOST)
def list_(target: Target) -> None:
    with place(target) as here:
        here.make("größe")
        outcome = download(here.wire, "LIST")
        want_done(outcome, "LIST")
        if "größe\r\n".encode() not in outcome.content:
            raise Failed(f"LIST gives {outcome.content!r}")


@case("utf8-rename", "RFC 2640 s.2.2", Level.MUST, "RNTO gives a name in UTF-8.", _LOST)
def rename(target: Target) -> None:
    with place(target) as here:
        here.make("plain")
        want(here.command("RNFR plain"), (350,), "RNFR")
        want(here.command("RNTO größe"), (250,), "RNTO")
        here.fetch("größe")


@case(
    "utf8-on-disk",
    "RFC 2640 s.3.2",
    Level.MAY,
    "A name is on the server's disk in UTF-8, without being recomposed.",
    "Programs on the server find another name than the one that was sent.",
)
def on_disk(target: Target) -> None:
    with place(target) as here:
        directory = here.on_disk()
        here.make("größe")
        if (found := sorted(path.name for path in directory.iterdir())) != ["größe"]:
            raise Failed(f"on disk there are {found!r}")


@case(
    "utf8-overlong",
    "RFC 2640 s.2.2",
    Level.MUST,
    "A slash in overlong UTF-8 (C0 AF) divides no path.",
    "Filters that look for slashes are passed.",
)
def overlong(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("dir/file")
        want_class(download(here.wire, b"RETR dir\xc0\xaffile").last, "45", "RETR of dir, an overlong slash and file")
        want_alive(here.wire, "it")


@case(
    "utf8-seven-bits-not-stripped",
    "RFC 2640 s.3.1",
    Level.MUST,
    "The eighth bit of names counts: a name and the same with the eighth bit cleared are two.",
    "Two files are taken for one.",
)
def eighth_bit(target: Target) -> None:
    with place(target) as here:
        here.make("\u0141")  # bytes C5 81; without the eighth bits E and SOH
        if here.exists(b"E\x01"):
            raise Failed("the file is also found without the eighth bits of its name")


@case(
    "utf8-refusal",
    "RFC 2640 s.2.2",
    Level.SHOULD,
    "The refusal of a name in UTF-8 is UTF-8 itself.",
    "Clients fail to read the very message that tells what went wrong.",
)
def refusal(target: Target) -> None:
    with place(target) as here:
        reply = download(here.wire, "RETR größe-日本語").last
        want_class(reply, "45", "RETR of what is not there")
        try:
            b" ".join(reply.lines).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Failed(f"the reply is {reply.lines!r}") from error


def _language_feature(wire: Wire) -> str:
    for feature in features(wire):
        if feature.upper().split()[:1] == ["LANG"]:
            return feature
    raise Skipped("FEAT lists no LANG")


@case(
    "lang-feat",
    "RFC 2640 s.4.3",
    Level.MUST,
    "The feature LANG, where it is listed, names languages, and an asterisk marks one of them at most.",
    "Clients do not learn which language is spoken.",
)
def lang_feat(target: Target) -> None:
    with target.session() as wire:
        feature = _language_feature(wire)
        if feature.count("*") > 1 or not re.fullmatch(rf"LANG {_TAG}(;{_TAG})*", feature, re.IGNORECASE):
            raise Failed(f"the feature is {feature!r}")


@case(
    "lang-default",
    "RFC 2640 s.4.1",
    Level.MUST,
    "LANG without an argument, where LANG is listed, goes back to the server's own language with 200.",
    "Whoever chose a language by mistake cannot read the way back.",
)
def lang_default(target: Target) -> None:
    with target.session() as wire:
        _language_feature(wire)
        want(wire.command("LANG"), (200,), "LANG")


@case(
    "lang-listed",
    "RFC 2640 s.4.2",
    Level.MUST,
    "LANG with the language that FEAT marks is taken with 200.",
    "Clients use what they were promised, and fail.",
)
def lang_listed(target: Target) -> None:
    with target.session() as wire:
        found = re.search(r"([A-Za-z0-9-]+)\*", _language_feature(wire))
        if not found:
            raise Skipped("no language is marked")
        want(wire.command(f"LANG {found[1]}"), (200,), f"LANG {found[1]}")


@case(
    "lang-unknown",
    "RFC 2640 s.4.2",
    Level.SHOULD,
    "LANG with a language that is not spoken is refused, and replies stay as they were.",
    "Clients believe that replies are in a language that they are not in.",
)
def lang_unknown(target: Target) -> str:
    with target.session() as wire:
        reply = wire.command("LANG x-none")
        want_class(reply, "5", "LANG x-none")
        want_alive(wire, "it")
        return reply.shown


@case(
    "lang-unknown-504",
    "RFC 2640 s.4.2",
    Level.SHOULD,
    "LANG with a language that is not spoken is a 504, where LANG is known.",
    "Clients cannot tell a language that is missing from a verb that is not there.",
)
def lang_unknown_504(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("LANG x-none")
        if reply.code in (500, 502):
            raise Skipped("LANG is not known here")
        want(reply, (504,), "LANG x-none")
