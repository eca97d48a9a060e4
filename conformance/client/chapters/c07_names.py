"""Names in commands and in PWD: RFC 959 s.5.3 and Appendix II, RFC 2640, RFC 1738 s.3.2."""

from __future__ import annotations

from conformance.client.cases import case
from conformance.client.judges import ended, succeeded
from conformance.client.record import Deed, Seen
from conformance.client.script import CONTENT, Script
from conformance.registry import Failed, Level

MUST, SHOULD = Level.MUST, Level.SHOULD
GET, PUT = Deed.GET, Deed.PUT
_OTHER = CONTENT[::-1]


def _at(path: bytes, **more: object) -> Script:
    return Script(files={path: CONTENT}, **more)  # type: ignore[arg-type]


case(
    "name-with-spaces",
    "RFC 959 s.5.3",
    MUST,
    GET,
    succeeded,
    _at(b"/two  words.bin"),
    "The name has two spaces. A client that cuts or folds it cannot fetch the file.",
    path="two  words.bin",
)
case(
    "name-with-signs",
    "RFC 959 s.5.3",
    MUST,
    GET,
    succeeded,
    _at(b"/100% #1 [a]{b};c.bin"),
    "The name has signs that mean something in URLs and shells. A client must send it as it is.",
    path="100% #1 [a]{b};c.bin",
)
case(
    "name-utf8",
    "RFC 2640 s.2.2",
    SHOULD,
    GET,
    succeeded,
    _at("/Grüße-文件.bin".encode()),
    "The name is not ASCII. It should travel as UTF-8, or such files cannot be fetched.",
    path="Grüße-文件.bin",
)
case(
    "name-utf8-put",
    "RFC 2640 s.2.2",
    SHOULD,
    PUT,
    lambda seen: _stored_as("/Grüße-文件.bin", seen),
    Script(),
    "The same for uploads.",
    path="Grüße-文件.bin",
)
case(
    "name-in-directory",
    "RFC 959 s.5.3",
    MUST,
    GET,
    succeeded,
    _at(b"/a/b c/file.bin"),
    "The file lies two directories down, one with a space in its name.",
    path="a/b c/file.bin",
)


def _stored_as(name: str, seen: Seen) -> None:
    succeeded(seen)
    if name.encode() not in seen.record.stored:
        raise Failed(f"stored under {next(iter(seen.record.stored))!r}")


def _no_smuggling(seen: Seen) -> str | None:
    ended(seen)
    for heard in seen.record.heard:
        if heard.verb == "DELE":
            raise Failed("sent the second half of the name as a command of its own")
        line = heard.line.replace(b"\r\0", b"")  # so NVT writes a bare CR (RFC 854)
        if b"\0" in line:
            raise Failed(f"sent a NUL: {heard.line[:60]!r}")
        if b"\r" in line or heard.ending != b"\r\n":
            raise Failed(f"sent a bare CR or LF: {heard.line[:60]!r}")
    return f"exit {seen.run.exit}"


for name, path, what in (
    ("crlf", "x\r\nDELE file.bin", "CR LF and a command"),
    ("lf", "x\nDELE file.bin", "LF and a command"),
    ("cr", "x\ry.bin", "a bare CR"),
    ("nul", "x\0y.bin", "a NUL, which a URL can say"),
):
    for deed in (GET, PUT):
        case(
            f"name-{name}-{deed.value}",
            "RFC 959 s.5.3",
            MUST,
            deed,
            _no_smuggling,
            Script(),
            f"The name that the client is given holds {what}. A client that sends it as it is lets whoever chooses "
            f"names "
            "speak to the server.",
            path=path,
        )

for name, home in (("quotes", b'/odd "dir"'), ("plain", b"/home/tester")):
    case(
        f"login-directory-{name}",
        "RFC 959 app.II PWD" if name == "quotes" else "RFC 1738 s.3.2.2",
        MUST,
        GET,
        succeeded,
        Script(files={home + b"/file.bin": CONTENT, b"/file.bin": _OTHER}, home=home),
        f"The login directory is {home.decode()}, and a file of the same name lies in the root. A relative name "
        f"means the "
        "one in the login directory.",
    )
case(
    "pwd-refused",
    "RFC 1123 s.4.1.2.13",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"PWD": b"502 Not here.\r\n", "XPWD": b"502 Not here.\r\n"}),
    "PWD is not known. A client that only fetches a relative name needs no PWD.",
)
case(
    "pwd-unquoted",
    "RFC 959 app.II PWD",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"PWD": b"257 / is it\r\n"}),
    "257 comes without quotes. A client that only fetches a relative name need not mind.",
)
