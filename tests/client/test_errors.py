"""What refusals mean, in the words of the servers that people have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.client.errors import Outcome, from_net, from_reply, meaning, outcome_of, reason
from ftlite.net.errors import Kind, NetError
from ftlite.protocol.replies import reply

NOT_FOUND, DENIED, EXISTS, NO_ROOM = Outcome.NOT_FOUND, Outcome.DENIED, Outcome.EXISTS, Outcome.NO_ROOM

OURS = [
    (550, "/a: no such file or directory.", "RETR", NOT_FOUND),
    (553, "/a/b: no such file or directory.", "MKD", NOT_FOUND),
    (553, "/a: already exists.", "MKD", EXISTS),
    (553, "/a: already exists.", "RNTO", EXISTS),
    (553, "/a: is a directory.", "STOR", EXISTS),
    (550, "/a: is a directory.", "RETR", Outcome.USAGE),
    (553, "/a: is not a directory.", "STOR", NOT_FOUND),
    (550, "/a: is not a directory.", "CWD", NOT_FOUND),
    (550, "/a: directory is not empty.", "RMD", EXISTS),
    (553, "/a: permission denied.", "STOR", DENIED),
    (550, "/a: operation not permitted.", "DELE", DENIED),
    (550, "/a: no right to delete here.", "DELE", DENIED),
    (553, "/a: no right to put, mkdir here.", "MKD", DENIED),
    (553, "/a: exists, and there is no right to overwrite here.", "STOR", DENIED),
    (550, "/a: leads out of the served directory.", "RETR", DENIED),
    (550, "/a: a link that is not followed.", "RETR", DENIED),
    (553, "/a: read-only file system.", "STOR", DENIED),
    (550, "/: is the root, which stays what it is.", "RMD", DENIED),
    (550, "/.ftlite: a name that is reserved for the server.", "MLSD", DENIED),
    (552, "/a: quota exceeded.", "STOR", NO_ROOM),
    (452, "/a: disk full.", "STOR", NO_ROOM),
    (552, "/a: has more than 100000 entries: list a directory below it.", "MLSD", Outcome.OTHER),
    (553, "/a: name too long.", "STOR", Outcome.USAGE),
    (553, "/a: a name is longer than 255 bytes.", "STOR", Outcome.USAGE),
    (553, "/a: not a valid name.", "STOR", Outcome.USAGE),
    (450, "/a: in use.", "STOR", Outcome.OTHER),
    (451, "/a: input/output error.", "STOR", Outcome.OTHER),
]
VSFTPD = [
    (550, "Failed to open file.", "RETR", NOT_FOUND),
    (550, "Failed to change directory.", "CWD", NOT_FOUND),
    (550, "Could not get file size.", "SIZE", NOT_FOUND),
    (550, "Permission denied.", "STOR", DENIED),
    (553, "Could not create file.", "STOR", DENIED),
    (550, "Create directory operation failed.", "MKD", DENIED),
    (426, "Failure writing to local file.", "STOR", Outcome.PARTIAL),
    (530, "Login incorrect.", "PASS", Outcome.LOGIN),
    (522, "SSL connection failed: session reuse required", "RETR", Outcome.TLS),
    (425, "Failed to establish connection.", "RETR", Outcome.CONNECT),
]
PROFTPD = [
    (550, "a: No such file or directory", "RETR", NOT_FOUND),
    (550, "a: Not a regular file", "RETR", NOT_FOUND),
    (550, "a: Is a directory", "STOR", EXISTS),
    (550, "a: Permission denied", "DELE", DENIED),
    (550, "a: Overwrite permission denied", "STOR", DENIED),
    (550, "a: File exists", "MKD", EXISTS),
    (550, "a: Directory not empty", "RMD", EXISTS),
    (552, "Transfer aborted. Disc quota exceeded", "STOR", NO_ROOM),
    (451, "Transfer aborted. No space left on device", "STOR", NO_ROOM),
    (426, "Transfer aborted. Data connection closed", "STOR", Outcome.PARTIAL),
    (426, "Transfer aborted. No space left on device", "STOR", NO_ROOM),
]
PURE_FTPD = [
    (550, "Can't open a: No such file or directory", "RETR", NOT_FOUND),
    (550, "Can't change directory to a: No such file or directory", "CWD", NOT_FOUND),
    (550, "Can't check for file existence", "SIZE", NOT_FOUND),
    (550, "Can't create directory: File exists", "MKD", EXISTS),
    (550, "Can't remove directory: Directory not empty", "RMD", EXISTS),
    (553, "Can't open that file: Permission denied", "STOR", DENIED),
    (553, "Can't open that file: No such file or directory", "STOR", NOT_FOUND),
    (553, "Prohibited file name: .ftpaccess", "STOR", DENIED),
    (550, "Anonymous users may not overwrite existing files", "STOR", DENIED),
    (552, "Disk full - please upload later", "STOR", NO_ROOM),
]
PYFTPDLIB = [
    (550, "No such file or directory.", "RETR", NOT_FOUND),
    (550, "a is not retrievable.", "SIZE", NOT_FOUND),
    (550, "Not enough privileges.", "STOR", DENIED),
    (550, "File exists.", "MKD", EXISTS),
    (550, "Is a directory.", "STOR", EXISTS),
    (550, "'a' points to a path which is outside the user's root directory.", "CWD", DENIED),
]
FILEZILLA = [
    (550, "File not found", "RETR", NOT_FOUND),
    (550, "Directory already exists", "MKD", EXISTS),
    (550, "CWD failed. \"/a\": directory not found.", "CWD", NOT_FOUND),
    (550, "Directory not empty.", "RMD", EXISTS),
    (550, "Couldn't open the file", "RETR", NOT_FOUND),
    (550, "Permission denied", "STOR", DENIED),
]
IIS = [
    (550, "The system cannot find the file specified. ", "RETR", NOT_FOUND),
    (550, "The system cannot find the path specified. ", "STOR", NOT_FOUND),
    (550, "Access is denied. ", "STOR", DENIED),
    (550, "Cannot create a file when that file already exists. ", "MKD", EXISTS),
    (550, "The directory is not empty. ", "RMD", EXISTS),
    (550, "The filename, directory name, or volume label syntax is incorrect. ", "STOR", Outcome.USAGE),
    (452, "There is not enough space on the disk. ", "STOR", NO_ROOM),
    (550, "There is not enough space on the disk. ", "STOR", NO_ROOM),
]
OTHERS = [
    (550, "The file doesn't exist", "RETR", NOT_FOUND),
    (550, "Failed.", "RETR", NOT_FOUND),
    (550, "Failed.", "STOR", DENIED),
    (521, '"/a" directory already exists; taking no action', "MKD", EXISTS),
    (521, "Data connections must be encrypted.", "RETR", Outcome.TLS),
    (553, "a: Permission denied on server. (Overwrite)", "STOR", DENIED),
    (502, "no", "HASH", Outcome.PROTOCOL),
    (450, "busy", "RETR", Outcome.OTHER),
    (501, "No such directory.", "MLSD", NOT_FOUND),
    (501, "Bad argument.", "MLSD", Outcome.PROTOCOL),
]


@pytest.mark.parametrize(
    ("code", "text", "command", "outcome"), OURS + VSFTPD + PROFTPD + PURE_FTPD + PYFTPDLIB + FILEZILLA + IIS + OTHERS
)
def test_what_refusals_mean(code: int, text: str, command: str, outcome: Outcome) -> None:
    assert outcome_of(code, text, command) is outcome


def test_our_own_refusals_are_all_known() -> None:
    """Each reason that the server's storage has for errno reads as one thing, whatever code carries it."""
    source = (Path(__file__).parents[2] / "ftlite/storage/errors.py").read_text()
    table = re.findall(r"\(Kind\.(\w+), \"([^\"]+)\"\)", source)
    assert len(table) > 15
    silent = {"BUSY", "FAULT", "UNSUPPORTED", "BAD_OFFSET", "TOO_LARGE", "BAD_NAME"}
    for kind, words in table:
        told = meaning(550, f"{words}.", "STOR")
        assert told is not None or kind in silent, words
        assert meaning(553, f"{words}.", "STOR") is told


@pytest.mark.parametrize(
    ("text", "thing", "outcome"),
    [
        ("/home/no such thing: permission denied.", "no such thing", DENIED),
        ("/permission denied/x: no such file or directory.", "x", NOT_FOUND),
        ("already exists: Permission denied", "already exists", DENIED),
        ("Can't open not found.txt: Permission denied", "not found.txt", DENIED),
        ("Permission denied: 'not found'", "not found", DENIED),
        ("Permission denied: /up/not found", "not found", DENIED),
        ('"no such": already exists', "no such", EXISTS),
        ("no such file or directory", "no", NOT_FOUND),
        ("Permission denied.", "denied", DENIED),
    ],
)
def test_a_name_is_never_read_as_a_reason(text: str, thing: str, outcome: Outcome) -> None:
    error = from_reply(thing, "STOR", reply(550, text))
    assert error.outcome is outcome
    assert error.message.startswith(f"{thing}: ")


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=60), st.sampled_from([421, 426, 450, 550, 553, 599]))
def test_whatever_a_server_says_is_an_error(thing: str, text: str, code: int) -> None:
    answer = reply(code, text)
    assert reason(answer, thing) or not answer.text.strip()
    assert from_reply(thing, "RETR", answer).reply is answer


@given(st.text(st.characters(exclude_characters=":\"'`/\r\n\0"), min_size=1).map(str.strip).filter(bool))
def test_the_name_before_the_reason_is_taken_away(name: str) -> None:
    assert reason(reply(550, f"/dir/{name}: disk full"), name) == "disk full"


@pytest.mark.parametrize(
    ("thing", "command", "text", "sentence"),
    [
        ("d/nix", "MLST", "/d/nix: no such file or directory.", "d/nix: no such file or directory (MLST: 550)"),
        ("nix", "RETR", "Failed to open file.", "nix: Failed to open file (RETR: 550)"),
        ("nix", "STOR", "nix: two\n lines", "nix: two lines (STOR: 550)"),
        ("ann@h:21", "the login", "Login incorrect.", "ann@h:21: Login incorrect (the login: 550)"),
        ("nix", "STOR", "", "nix: refused (STOR: 550)"),
    ],
)
def test_people_read_the_reason_first(thing: str, command: str, text: str, sentence: str) -> None:
    assert from_reply(thing, command, reply(550, *text.split("\n"))).message == sentence


def test_an_address_is_named_once() -> None:
    error = from_net("h:21", NetError(Kind.REFUSED, "nobody listens at h:21"))
    assert error.message == "nobody listens at h:21"
    assert from_net("f", NetError(Kind.LOST, "it broke")).message == "f: it broke"
