"""The verb table, and commands read and written by it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.arguments import Argument
from ftlite.protocol.errors import BadArgument, BadCommand
from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.text import decode, printable
from ftlite.protocol.verbs import (
    ALWAYS,
    SITE_VERBS,
    VERBS,
    Command,
    Verb,
    format_command,
    looks_like_http,
    parse_command,
    shown,
)

#: What DESIGN 3.1 and 3.2 ask for, whether it needs a login or not.
WITHOUT_LOGIN = set(
    re.findall(r"\w+", "USER PASS ACCT HOST QUIT REIN SMNT AUTH PBSZ PROT CCC NOOP SYST HELP FEAT OPTS CLNT")
)
WITHOUT_LOGIN |= {"LANG", "ABOR"}
WITH_LOGIN = set(
    re.findall(
        r"\w+",
        """
        STAT TYPE MODE STRU ALLO PASV EPSV PORT EPRT RETR STOR STOU APPE LIST NLST MLSD REST PWD CWD CDUP MKD RMD DELE
        RNFR RNTO MLST SIZE MDTM MFMT MFF HASH XSHA256 XCRC XMD5 SITE XPWD XCWD XCUP XMKD XRMD GET PUT DONE WAIT
        """,
    )
)


def parsed(line: bytes) -> Command | BadCommand:
    """What `line` is; any other error goes through."""
    try:
        return parse_command(line)
    except BadCommand as error:
        return error


def test_the_table_holds_every_verb() -> None:
    assert set(VERBS) == WITH_LOGIN | WITHOUT_LOGIN
    assert sorted(SITE_VERBS) == ["CHMOD", "HELP", "UTIME"]


@pytest.mark.parametrize("verb", [*VERBS.values(), *SITE_VERBS.values()], ids=lambda verb: verb.name)
def test_a_row_is_sane(verb: Verb) -> None:
    assert verb.name.isascii()
    assert verb.name.isupper()
    assert verb.summary.isascii()
    assert verb.summary.endswith(".")
    assert "\n" not in verb.summary
    assert all(110 <= code <= 559 for code in verb.replies)
    assert not verb.replies & ALWAYS, "codes that any verb may get are not said again"
    has_success = any(code < 400 for code in verb.replies)
    assert has_success != (verb.name in ("HOST", "LANG", "CCC", "SMNT", "DONE")), (
        "a verb can succeed, is refused on principle, or has no reply of its own"
    )
    assert any(code < 200 for code in verb.replies) == (verb.transfer or verb.name == "REIN")
    if verb.transfer:
        assert {150, 226, 425, 426, 451} <= verb.replies
        assert verb.login
    assert verb.may_reply(421)
    assert not verb.may_reply(332), "no account is ever asked for"


def test_other_names_are_rows_of_their_own() -> None:
    aliases = {name: verb.alias_of for name, verb in VERBS.items() if verb.alias_of}
    assert aliases == {
        "XPWD": "PWD", "XCWD": "CWD", "XCUP": "CDUP", "XMKD": "MKD", "XRMD": "RMD", "GET": "RETR", "PUT": "STOR"
    }  # fmt: skip
    for name, meaning in aliases.items():
        assert meaning is not None
        assert VERBS[name].replies == VERBS[meaning].replies
        assert VERBS[name].login == VERBS[meaning].login
        assert VERBS[meaning].alias_of is None
        assert VERBS[name].feat is None


def test_what_is_masked_and_what_may_interrupt() -> None:
    assert {name for name, verb in VERBS.items() if verb.masked} == {"PASS", "ACCT"}
    assert {name for name, verb in VERBS.items() if verb.during} == {"ABOR", "STAT", "NOOP", "QUIT"}


def test_what_needs_no_login() -> None:
    assert {name for name, verb in VERBS.items() if not verb.login} == WITHOUT_LOGIN


def test_features_come_from_the_rows() -> None:
    feats = [verb.feat for verb in VERBS.values() if verb.feat]
    assert len(feats) == len(set(feats))
    # RFC 2389 s.3.2: letters, digits and punctuation, no space at the ends.
    assert all(feat == feat.strip() and feat.isprintable() and feat.isascii() for feat in feats)
    assert {"REST STREAM", "MLST", "HASH", "AUTH TLS", "FTLITE", "MFF modify;UNIX.mode;"} <= set(feats)


@pytest.mark.parametrize("name", ["retr", "RETR", "ReTr"])
def test_verbs_have_no_case(name: str) -> None:
    command = parse_command(name.encode() + b" MiXed")
    assert (command.name, command.verb, command.text, command.value) == ("RETR", VERBS["RETR"], "MiXed", "MiXed")


def test_another_name_gets_the_row_that_answers() -> None:
    command = parse_command(b"put x")
    assert (command.name, command.verb) == ("PUT", VERBS["STOR"])


@pytest.mark.parametrize(
    "line", [b"", b" ", b" USER x", b"XYZZY", b"USER\tx", b"\xff\xfe", b"RETRx y", "ſite help".encode()]
)
def test_what_is_no_command(line: bytes) -> None:
    with pytest.raises(BadCommand) as caught:
        parse_command(line)
    assert not isinstance(caught.value, BadArgument)
    assert caught.value.code == 500


def test_an_unknown_verb_is_not_echoed_whole() -> None:
    with pytest.raises(BadCommand) as caught:
        parse_command(b"\x1b[2J" + b"A" * 5000)
    assert len(str(caught.value)) < 100
    assert "\x1b" not in str(caught.value)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_line_gives_a_command_or_one_named_error(line: bytes) -> None:
    result = parsed(line)
    if isinstance(result, BadCommand):
        assert 500 <= result.code < 600


@given(st.sampled_from(sorted(VERBS)), st.binary(max_size=40))
@settings(deadline=None, max_examples=500)
def test_any_argument_gives_a_value_or_a_code(name: str, argument: bytes) -> None:
    result = parsed(name.encode() + b" " + argument)
    if isinstance(result, Command):
        assert result.text == decode(argument)
    else:
        assert isinstance(result, BadArgument)
        assert result.code in (501, 504, 522, 536)
        assert str(result) == printable(str(result))


@given(st.sampled_from(sorted(VERBS)), st.text(max_size=20).filter(lambda text: not set(text) & set("\r\n\0")))
@settings(deadline=None)
def test_what_a_client_writes_a_server_reads(name: str, argument: str) -> None:
    try:
        data = format_command(name, argument)
    except BadArgument:
        assert any("\ud800" <= char <= "\udfff" for char in argument)
        return
    splitter = LineSplitter(4096, telnet=True)
    splitter.feed(data)
    line = splitter.next()
    assert line is not None
    assert splitter.pending == b""
    assert line == (f"{name} {argument}" if argument else name).encode()


def test_byte_255_survives() -> None:
    assert format_command("RETR", decode(b"\xff")) == b"RETR \xff\xff\r\n"


@pytest.mark.parametrize("argument", ["a\r\nDELE b", "a\n", "a\r", "\0"])
def test_a_command_cannot_smuggle_another(argument: str) -> None:
    with pytest.raises(BadArgument):
        format_command("RETR", argument)


@pytest.mark.parametrize("name", ["", "RE TR", "RETR\r\n", "É", "A-B"])
def test_a_verb_is_letters_and_digits(name: str) -> None:
    with pytest.raises(BadArgument):
        format_command(name)


def test_secrets_stay_out_of_logs() -> None:
    command = parse_command(b"PASS hunter2")
    assert command.value == "hunter2"
    assert command.shown == "PASS ****"
    assert "hunter2" not in repr(command)
    assert "hunter2" not in f"{[command]}"
    assert shown("pass", "hunter2") == "pass ****"
    assert parse_command(b"PASS").shown == "PASS ****", "nor does a log tell that the password is empty"
    with pytest.raises(BadArgument) as caught:
        format_command("PASS", "hunter2\n")
    assert "hunter2" not in str(caught.value)


def test_logs_are_printable() -> None:
    assert parse_command(b"RETR \x1b[2Ja\xffb").shown == "RETR \\x1b[2Ja\\xffb"
    assert parse_command(b"PWD").shown == "PWD"


def test_site_holds_a_command() -> None:
    inner = parse_command(b"SITE chmod 640 a b ").value
    assert isinstance(inner, Command)
    assert (inner.name, inner.verb, inner.value) == ("CHMOD", SITE_VERBS["CHMOD"], (0o640, "a b "))
    assert inner.verb.argument is Argument.MODE_PATH


@pytest.mark.parametrize(
    ("line", "code"), [(b"SITE", 501), (b"SITE EXEC ls", 504), (b"SITE CHMOD", 501), (b"SITE  HELP", 504)]
)
def test_what_site_refuses(line: bytes, code: int) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_command(line)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("line", "before_login", "after_login"),
    [
        (b"GET / HTTP/1.1", True, True),
        (b"GET / HTTP/1.0\r", True, True),
        (b"DELETE /x HTTP/1.1", True, True),
        (b"get /x", True, False),
        (b"PUT x", True, False),
        (b"POST /", True, False),
        (b"OPTIONS *", True, False),
        (b"CONNECT a:443", True, False),
        (b"HEAD /", True, False),
        (b"PATCH /", True, False),
        (b"RETR HTTP/1.1 notes", False, False),
        (b"USER http", False, False),
        (b"Host: example.org", False, False),
        (b"OPTS UTF8 ON", False, False),
        (b"", False, False),
    ],
)
def test_http(line: bytes, before_login: bool, after_login: bool) -> None:
    assert looks_like_http(line, logged_in=False) == before_login
    assert looks_like_http(line, logged_in=True) == after_login
