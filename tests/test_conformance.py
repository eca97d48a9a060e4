"""The conformance cases can fail, each for the fault that it names, and our server breaks no MUST."""

from __future__ import annotations

import contextlib
import json
import re
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.__main__ import main
from conformance.clauses import all_clauses, cases_of
from conformance.registry import Case, Level, Status, all_cases
from conformance.server import read_deviations, run, run_case
from conformance.wire import Target, TlsMode
from tests.peers.certificate import make_certificate
from tests.peers.servers import Tls, ftlite_server

DEVIATIONS = Path(conformance.__file__).parent / "deviations" / "ftlite"

#: What a fault does: it may replace the lines that a command gets; None leaves them.
Fault = Callable[["TinySession", str, bytes], "str | None"]

_KNOWN = {
    "NOOP": "200 Fine",
    "SYST": "215 UNIX Type: L8",
    "PWD": '257 "/" is it',
    "XPWD": '257 "/" is it',
    "CWD": "250 There",
    "XCWD": "250 There",
    "CDUP": "250 There",
    "XCUP": "250 There",
    "PASV": "227 Here (127,0,0,1,200,1)",
    "EPSV": "229 Here (|||51201|)",
    "ALLO": "202 No need",
    "REST": "350 Go on",
    "HELP": "214-Verbs:\r\n NOOP\r\n214 End",
    "STAT": "211-Tiny\r\n fine\r\n211 End",
    "FEAT": "211-Features:\r\n SIZE\r\n UTF8\r\n211 End",
    "ABOR": "226 Nothing to abort",
    "OPTS": "200 Fine",
    "ACCT": "202 No need",
    "SITE": "502 None",
    "SMNT": "502 None",
    "LIST": "425 No",
    "NLST": "425 No",
}
_FILES = ("SIZE", "RETR", "DELE", "RNFR", "MKD", "RMD")
_ONE_OF = {"TYPE": r"[AI]( N)?", "MODE": "S", "STRU": "F"}


class TinySession(socketserver.StreamRequestHandler):
    """Just enough of a right server to be broken in one place at a time."""

    fault: Fault | None = None
    name = ""
    inside = False

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.say(self._answer("greeting", b"", "220 Tiny"))
            while (line := self.read_line()) and self.obey(line):
                pass
        self._answer("end", b"", "")

    def read_line(self) -> bytes:
        return self.rfile.readline(70_000)

    def without_telnet(self, line: bytes) -> bytes:
        return re.sub(rb"\xff[\xfb-\xfe].|\xff[\xf2-\xf9]|\xff", b"", line, flags=re.DOTALL)

    def obey(self, line: bytes) -> bool:
        line = self.without_telnet(line)
        verb, _, argument = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape").partition(" ")
        verb = verb.upper()
        said = self._answer(verb, line, self.right(verb, argument))
        self.say(said)
        return verb != "QUIT" or "stay" in said

    def say(self, text: str) -> None:
        self.wfile.write((text.removesuffix("\n").removesuffix("\r") + "\r\n").encode("utf-8", "surrogateescape"))

    def _answer(self, verb: str, line: bytes, right: str) -> str:
        wrong = self.fault(verb, line) if self.fault else None
        return right if wrong is None else wrong

    def right(self, verb: str, argument: str) -> str:
        if verb in ("QUIT", "USER", "PASS", "REIN"):
            return self._login(verb, argument)
        if verb in _ONE_OF:
            return "200 Fine" if re.fullmatch(_ONE_OF[verb], argument, re.IGNORECASE) else "501 No"
        if verb == "PORT":
            return "501 No"
        if verb == "RNTO":
            return "503 RNFR first"
        if not self.inside and verb not in ("NOOP", "HELP", "FEAT"):
            return "530 Who?"
        if verb in _FILES:
            return "550 None such" if argument else "501 Which?"
        if "conformance-none" in argument:
            return "550 None such"
        return _KNOWN.get(verb, "500 What?")

    def _login(self, verb: str, argument: str) -> str:
        if verb == "QUIT":
            return "221 Bye"
        name, inside, self.inside = self.name, self.inside, False
        if verb == "REIN":
            return "220 Again"
        if verb == "USER":
            self.name = argument
            return "331 Password?" if argument else "501 Who?"
        if not name:
            self.inside = inside
            return "503 USER first"
        self.name, self.inside = "", (name, argument) == ("tiny", "word")
        return "230 In" if self.inside else "530 No"


class Hasty(TinySession):
    """Takes what one read brings for one line."""

    def read_line(self) -> bytes:
        return self.connection.recv(70_000)


class Deaf(TinySession):
    """Knows no Telnet."""

    def without_telnet(self, line: bytes) -> bytes:
        return line


class TinyServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, session: type[TinySession]):
        super().__init__(("127.0.0.1", 0), session)
        self.seen: dict[str, int] = {}  #: what faults remember between sessions
        self.broke: list[BaseException | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.broke.append(sys.exception())


class OneAtATime(TinyServer):
    def process_request(self, request: Any, client_address: Any) -> None:
        socketserver.TCPServer.process_request(self, request, client_address)


@contextlib.contextmanager
def tiny(
    fault: Fault | None = None,
    session: type[TinySession] = TinySession,
    server: type[TinyServer] = TinyServer,
    patience: float = 5.0,
) -> Iterator[Target]:
    broken = type("Broken", (session,), {"fault": fault})
    with server(broken) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield Target("127.0.0.1", serving.server_address[1], "tiny", "word", patience=patience)
        serving.shutdown()
        assert serving.broke == [], "the tiny server is wrong in a way that nobody planted"


def says(verbs: str, text: str) -> Fault:
    return lambda session, verb, line: text if verb in verbs.split() else None


def when(pattern: bytes, text: str) -> Fault:
    return lambda session, verb, line: text if re.search(pattern, line, re.DOTALL) else None


def lets_in(session: TinySession, verb: str, line: bytes) -> str | None:
    if verb in ("USER", "PASS"):
        session.inside = True
    return "230 In" if verb == "PASS" else None


def rein_keeps_the_login(session: TinySession, verb: str, line: bytes) -> str | None:
    session.inside |= verb == "REIN"
    return None


def after(event: Callable[[str, bytes], bool], times: int, verbs: str, text: str) -> Fault:
    """From the `times`th event in any session on, `verbs` are answered with `text` in all sessions."""

    def fault(session: TinySession, verb: str, line: bytes) -> str | None:
        seen = session.server.seen
        seen["events"] = seen.get("events", 0) + event(verb, line)
        return text if seen["events"] >= times and verb in verbs.split() else None

    return fault


#: Name of the fault -> how to plant it, and the MUST cases that must notice it. Together they are all MUST cases.
PLANTED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "busy": ({"fault": says("greeting", "421 Busy")}, {"greeting-220"}),
    "greeting without space": ({"fault": says("greeting", "220Tiny")}, {"greeting-grammar"}),
    "two greetings": ({"fault": says("greeting", "220 Tiny\r\n220 Tiny")}, {"greeting-once"}),
    "full of the dead": (
        {"fault": after(lambda verb, line: verb == "greeting", 4, "greeting", "421 Full")},
        {"greeting-after-reset"},
    ),
    "one end ends all": (
        {"fault": after(lambda verb, line: verb == "end", 1, "NOOP", "421 Ended")},
        {"close-without-quit"},
    ),
    "long line ends all": (
        {"fault": after(lambda verb, line: len(line) > 60_000, 1, "NOOP", "421 Ended")},
        {"line-too-long"},
    ),
    "one at a time": ({"server": OneAtATime, "patience": 2.0}, {"line-never-ending", "close-without-quit"}),
    "a read is a line": ({"session": Hasty}, {"line-in-pieces", "line-cut-in-crlf", "line-many-at-once"}),
    "stays after QUIT": (
        {"fault": says("QUIT", "221 I stay"), "patience": 2.0},
        {"quit-before-login", "quit-after-login"},
    ),
    "lets everybody in": ({"fault": lets_in}, {"login-wrong-password", "login-pass-alone", "login-half-way"}),
    "REIN keeps the login": ({"fault": rein_keeps_the_login}, {"rein"}),
    "asks nobody": ({"fault": says("USER", "500 What?")}, {"login-user-331"}),
    "no password is right": ({"fault": says("PASS", "530 No")}, {"login-pass-230"}),
    "welcomes the nameless": ({"fault": when(rb"^USER\r", "331 Password?")}, {"login-user-empty"}),
    "open to strangers": ({"fault": says("MKD", "257 Welcome")}, {"login-needed"}),
    "bare LF": ({"fault": says("FEAT", "211-So:\n SIZE\r\n211 End")}, {"reply-grammar", "reply-multiline-feat"}),
    "six": ({"fault": says("NOOP", "600 Fine")}, {"reply-first-digit"}),
    "two replies": ({"fault": says("ABOR", "426 Cut\r\n226 Done")}, {"reply-one-each"}),
    "an end inside": ({"fault": says("HELP", "214-V:\r\n500 codes\r\n214 End")}, {"reply-multiline-help"}),
    "an end without space": ({"fault": says("STAT", "211-Tiny\r\n fine\r\n211")}, {"reply-multiline-stat"}),
    "features not indented": ({"fault": says("FEAT", "211-So:\r\nSIZE\r\n211 End")}, {"reply-feat-lines"}),
    "no system": ({"fault": says("SYST", "500 No")}, {"reply-class", "reply-syst-name"}),
    "no TYPE": ({"fault": says("TYPE", "504 No")}, {"reply-minimum"}),
    "path not quoted": ({"fault": says("PWD", "257 / is it")}, {"reply-pwd-quoted"}),
    "any verb": (
        {"fault": when(rb"^(XYZZ|ABCDEFG)", "200 Fine")},
        {"reply-unknown-verb", "reply-unknown-long-verb"},
    ),
    "renames nothing": ({"fault": says("RNTO", "250 Done")}, {"reply-rnto-alone"}),
    "any parameter": (
        {"fault": when(rb"^(TYPE|MODE|STRU) Q|^PORT", "200 Fine")},
        {
            "reply-type-unknown", "reply-mode-unknown", "reply-stru-unknown", "reply-port-malformed",
            "reply-port-too-big",
        },
    ),
    "no argument needed": ({"fault": when(rb"^(MKD|RETR)\r", "250 Done")}, {"reply-argument-missing"}),
    "upper case verbs only": ({"fault": when(rb"^[a-zA-Z]*[a-z][a-zA-Z]*\r", "500 What?")}, {"line-verb-case"}),
    "upper case parameters only": ({"fault": when(rb" [a-z]( [a-z])?\r", "504 No")}, {"line-parameter-case"}),
    "cut at NUL": ({"fault": when(rb"\0", "250 There")}, {"line-nul"}),
    "ASCII only": ({"fault": when(rb"[\x80-\xef]", "200 Fine")}, {"line-eight-bit"}),
    "no Telnet": ({"session": Deaf}, {"telnet-abort", "telnet-synch"}),
}  # fmt: skip


def first_chapter() -> list[Case]:
    """The cases that need no data connection, which the tiny server has not."""
    return [case for case in all_cases() if case.chapter.startswith("ch01_")]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_noticed(name: str) -> None:
    plant, noticed = PLANTED[name]
    for case in first_chapter():
        if case.name in noticed:
            with tiny(**plant) as target:
                result = run_case(case, target)
            assert result.counts, f"{case.name} did not notice"


def test_every_must_has_a_planted_fault() -> None:
    noticed = set().union(*(names for _, names in PLANTED.values()))
    assert noticed == {case.name for case in first_chapter() if case.level is Level.MUST}


def test_the_tiny_server_without_fault_breaks_no_must() -> None:
    with tiny() as target:
        assert [case.name for case in first_chapter() if run_case(case, target).counts] == []


def test_cases_say_what_they_judge() -> None:
    assert len(all_cases()) >= 40
    for case in all_cases():
        assert re.match(r"RFC \d+|draft-|MS-FTPS|docs/protocol.md", case.clause)
        assert case.says.endswith(".")
        assert case.means.endswith(".")


def test_each_clause_has_cases_or_says_why_not() -> None:
    clauses = all_clauses()
    assert len({clause.number for clause in clauses}) == len(clauses)
    assert [clause.number for clause in clauses if not clause.untested and not cases_of(clause, all_cases())] == []
    documents = {document(clause.number) for clause in clauses}
    listed = {clause.number for clause in clauses}
    unlisted = {case.clause for case in all_cases() if document(case.clause) in documents} - listed
    assert unlisted == set()


def document(clause: str) -> str:
    return clause.partition(" s.")[0].partition(" app.")[0]


def test_the_suite_knows_nothing_of_ours() -> None:
    for path in Path(conformance.__file__).parent.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) ftlite\b", path.read_text(), re.MULTILINE), path


def test_the_program_tells_by_its_exit_and_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accepted, told = tmp_path / "accepted", tmp_path / "told.json"
    accepted.write_text("# known\nreply-syst-name: a system without a name\n")
    with tiny(says("SYST", "500 No")) as target:
        url = f"ftp://tiny:word@127.0.0.1:{target.port}"
        only = ["server", url, "--only", "reply-syst-name"]
        assert main(only) == 1
        assert main([*only, "--deviations", str(accepted), "--json", str(told)]) == 0
        assert main(["server", url, "--only", "RFC 2389 s.3.1", "--tls", "none"]) == 0
        assert main(["server", url, "--only", "no such case"]) == 2
        accepted.write_text("no-such-case: because\n")
        assert main(["server", url, "--deviations", str(accepted)]) == 2
    assert main(["server", "gopher://127.0.0.1"]) == 2
    [result] = json.loads(told.read_text())
    assert (result["status"], result["accepted"]) == ("fail", "a system without a name")
    assert "1 MUST broken" in capsys.readouterr().out


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with tiny() as target:
        port = target.port
    assert main(["server", f"ftp://127.0.0.1:{port}"]) == 3
    assert "cannot be reached" in capsys.readouterr().err


def judge_ours(tls: Tls, place: Path) -> list[str]:
    """What is wrong with our server, in clear or over TLS; `place` is an empty directory."""
    certificate = make_certificate(place / "certificate")
    root = place / "root"
    root.mkdir()
    with ftlite_server(root, certificate, tls) as ours:
        mode = TlsMode.EXPLICIT if tls is Tls.EXPLICIT else TlsMode.NONE
        target = Target(ours.host, ours.port, ours.user, ours.password, mode, root=root)
        results = run(target, deviations=read_deviations(DEVIATIONS))
    wrong = [f"{result.case.name}: {result.remark}" for result in results if result.counts]
    wrong += [
        f"{result.case.name} is a deviation no more"
        for result in results
        if result.accepted and result.status is Status.PASS
    ]
    wrong += [f"{path.name} was left behind" for path in root.iterdir() if path.name != ".ftlite"]
    return wrong


@pytest.mark.timeout(600)  # all cases twice, side by side: half a minute on an idle machine
def test_our_server_breaks_no_must(tmp_path: Path) -> None:
    kinds = (Tls.OFF, Tls.EXPLICIT)
    places = [tmp_path / tls.value for tls in kinds]
    for place in places:
        place.mkdir()
    with ThreadPoolExecutor(len(kinds)) as judges:
        assert dict(zip(kinds, judges.map(judge_ours, kinds, places), strict=True)) == {tls: [] for tls in kinds}
