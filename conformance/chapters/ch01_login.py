"""Chapter 1, login: the order of USER, PASS and everything that needs them (RFC 959 s.5.4 and s.6)."""

from __future__ import annotations

from conformance.chapters.checks import want, want_alive, want_class
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

# Wrong passwords are few in these cases, since servers count them per address and would close the door on the rest.
_NOBODY = "no-such-user-7q"
_CLOSED_TO_STRANGERS = (
    "PWD", "CWD /", "CDUP", "MKD conformance-stranger", "RMD conformance-stranger", "DELE conformance-stranger",
    "RNFR conformance-stranger", "PASV", "EPSV", "LIST", "NLST", "RETR conformance-stranger",
    "SIZE conformance-stranger",
)  # fmt: skip


@case(
    "login-user-331",
    "RFC 959 s.5.4 USER",
    Level.MUST,
    "USER is answered 331, 332 or 230 for an account that exists.",
    "Nobody can log in.",
)
def user(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command(f"USER {target.user}"), (230, 331, 332), "USER")


@case(
    "login-pass-230",
    "RFC 959 s.5.4 PASS",
    Level.MUST,
    "The right password is answered 230, 202 or 332.",
    "Nobody can log in.",
)
def password(target: Target) -> None:
    with target.greeted() as wire:
        want(target.login(wire), (230, 202, 332), "USER and PASS")


@case(
    "login-user-unknown",
    "RFC 2577 s.7",
    Level.SHOULD,
    "USER sounds the same for a name that does not exist.",
    "A stranger finds out which accounts exist.",
)
def unknown_user(target: Target) -> None:
    with target.greeted() as wire:
        known = wire.command(f"USER {target.user}")
    with target.greeted() as wire:
        unknown = wire.command(f"USER {_NOBODY}")
        if known.code != unknown.code:
            raise Failed(f"an account that exists gets {known.code}, another {unknown.shown}")


@case(
    "login-wrong-password",
    "RFC 959 s.5.4 PASS",
    Level.MUST,
    "A wrong password is answered 530 and lets nobody in.",
    "Anybody gets in, or clients do not learn why they do not.",
)
def wrong_password(target: Target) -> None:
    with target.greeted() as wire:
        if wire.command(f"USER {target.user}").code == 230:
            raise Skipped("the account needs no password")
        want(wire.command(f"PASS {target.password}-no"), (530, 421), "a wrong password")
        want_class(wire.command("PWD"), "5", "PWD after a wrong password")


@case(
    "login-wrong-same-words",
    "RFC 2577 s.7",
    Level.SHOULD,
    "A wrong name and a wrong password get the same reply.",
    "A stranger finds out which accounts exist.",
)
def same_words(target: Target) -> None:
    replies = []
    for name in (target.user, _NOBODY):
        with target.greeted() as wire:
            if wire.command(f"USER {name}").code != 331:
                raise Skipped("USER alone already answers")
            replies.append(wire.command(f"PASS {target.password}-no"))
    if replies[0].lines != replies[1].lines:
        raise Failed(f"{replies[0].shown} for a wrong password, {replies[1].shown} for a wrong name")


@case(
    "login-second-try",
    "RFC 959 s.4.1.1 PASS",
    Level.MAY,
    "After a wrong password the session can log in after all.",
    "A slip of the finger costs a new connection.",
)
def second_try(target: Target) -> None:
    with target.greeted() as wire:
        if wire.command(f"USER {target.user}").code == 230:
            raise Skipped("the account needs no password")
        wire.command(f"PASS {target.password}-no")
        want(target.login(wire), (230, 202), "the right password after a wrong one")


@case(
    "login-user-empty",
    "RFC 959 s.5.4 USER",
    Level.MUST,
    "USER without a name is refused with 500, 501 or 530.",
    "An account without a name may exist by accident.",
)
def empty_user(target: Target) -> None:
    with target.greeted() as wire:
        reply = wire.command("USER")
        want(reply, (500, 501, 503, 530), "USER without a name")


@case(
    "login-pass-alone",
    "RFC 959 s.5.4 PASS",
    Level.MUST,
    "PASS without USER before it is refused with 503 (or 530).",
    "A password alone lets in, or clients are told something that no login can follow.",
)
def pass_alone(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command(f"PASS {target.password}"), (503, 530), "PASS without USER")


@case(
    "login-pass-alone-503",
    "RFC 959 s.5.4 PASS",
    Level.SHOULD,
    "PASS without USER is out of order, which is 503.",
    "Clients take it for a wrong password and ask the user for another.",
)
def pass_alone_503(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command(f"PASS {target.password}"), (503,), "PASS without USER")


@case(
    "login-pass-not-next",
    "RFC 959 s.4.1.1 PASS",
    Level.MAY,
    "PASS counts only right after USER.",
    "None for people; a strict server refuses it.",
)
def pass_not_next(target: Target) -> None:
    with target.greeted() as wire:
        wire.command(f"USER {target.user}")
        wire.command("NOOP")
        want(wire.command(f"PASS {target.password}"), (503, 530), "PASS with NOOP between it and USER")


@case(
    "login-needed",
    "RFC 959 s.5.4",
    Level.MUST,
    "Before login, names and transfers are refused and nothing is done.",
    "Strangers read, write or scan without an account.",
)
def needed(target: Target) -> None:
    with target.greeted() as wire:
        for line in _CLOSED_TO_STRANGERS:
            want_class(wire.command(line), "5", f"{line} before login")


@case(
    "login-needed-530",
    "RFC 959 s.5.4",
    Level.SHOULD,
    "What needs a login says so with 530.",
    "Clients do not know that logging in would help.",
)
def needed_530(target: Target) -> None:
    with target.greeted() as wire:
        for line in _CLOSED_TO_STRANGERS:
            want(wire.command(line), (530,), f"{line} before login")


@case(
    "login-half-way",
    "RFC 959 s.6",
    Level.MUST,
    "Between USER and PASS the session is not logged in.",
    "A name without a password is enough to get in.",
)
def half_way(target: Target) -> None:
    with target.greeted() as wire:
        if wire.command(f"USER {target.user}").code == 230:
            raise Skipped("the account needs no password")
        want_class(wire.command("PWD"), "5", "PWD between USER and PASS")


@case(
    "login-user-again",
    "RFC 959 s.4.1.1 USER",
    Level.SHOULD,
    "A new USER in a session begins a login, or is refused.",
    "A session goes on with the rights of one user under the name of another.",
)
def user_again(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command(f"USER {target.user}")
        want(reply, (230, 331, 332, 530, 500, 501, 503), "a second USER")
        if reply.code == 331:
            want_class(wire.command("PWD"), "5", "PWD after a second USER that asks for a password")


@case(
    "login-noop-before",
    "RFC 959 s.5.4 NOOP",
    Level.SHOULD,
    "NOOP needs no login.",
    "Keep-alives before login are taken for errors.",
)
def noop_before(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command("NOOP"), (200,), "NOOP before login")


@case(
    "login-help-before",
    "RFC 959 s.4.1.3 HELP",
    Level.SHOULD,
    "HELP is there before login.",
    "Whoever tries the server by hand is not helped.",
)
def help_before(target: Target) -> None:
    with target.greeted() as wire:
        want(wire.command("HELP"), (211, 214), "HELP before login")


@case(
    "login-acct",
    "RFC 959 s.5.4 ACCT",
    Level.SHOULD,
    "ACCT is answered with one of its replies.",
    "Clients that send ACCT do not understand the reply.",
)
def acct(target: Target) -> None:
    with target.session() as wire:
        # 502 is not on the list of s.5.4, but s.4.2.2 gives it to every verb that is known and not done.
        want(wire.command("ACCT none"), (230, 202, 500, 501, 502, 503, 530), "ACCT")
        want_alive(wire, "ACCT")
