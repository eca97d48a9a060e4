"""The server's order of commands: the tables against the clauses, and against an oracle that reads all history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ftlite.protocol.arguments import TransferType
from ftlite.protocol.errors import OutOfStep
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import DEMANDS, EFFECTS, KEEPS, LOGIN, DataPlan, Login, Plan, ServerDialogue
from ftlite.protocol.verbs import ALWAYS, VERBS, Command, parse_command

LOGIN_STEPS = [("USER ann", 331), ("PASS x", 230)]


def tell(dialogue: ServerDialogue, line: str, *codes: int) -> int:
    """Run `line` through the dialogue, answered with `codes`; the code that the client sees last."""
    command = parse_command(line.encode())
    refusal = dialogue.admit(command)
    answers = [refusal] if refusal else [reply(code, "x") for code in codes]
    assert answers, f"{line} was admitted and the test gives it no reply"
    for answer in answers:
        dialogue.answered(command, answer)
    return answers[-1].code


def talk(*steps: tuple[Any, ...], **settings: bool) -> ServerDialogue:
    """A dialogue after `steps`, each (line, codes...)."""
    dialogue = ServerDialogue(**settings)
    for line, *codes in steps:
        assert tell(dialogue, line, *codes) == codes[-1], line
    return dialogue


def logged_in(*steps: tuple[Any, ...], **settings: bool) -> ServerDialogue:
    return talk(*LOGIN_STEPS, *steps, **settings)


def test_login() -> None:
    dialogue = ServerDialogue()
    assert dialogue.login is Login.NEW
    assert tell(dialogue, "PASS x") == 503
    assert tell(dialogue, "ACCT x") == 503
    assert tell(dialogue, "PWD") == 530
    assert tell(dialogue, "USER ann", 331) == 331
    assert (dialogue.login, dialogue.user) == (Login.NAMED, "ann")
    assert tell(dialogue, "PWD") == 530
    assert tell(dialogue, "PASS wrong", 530) == 530
    assert dialogue.login is Login.NEW
    assert tell(dialogue, "PASS x") == 503, "a wrong password needs a name again"
    assert tell(dialogue, "USER ann", 331) == 331
    assert tell(dialogue, "PASS right", 230) == 230
    assert dialogue.login is Login.IN
    assert tell(dialogue, "PASS right") == 503
    assert tell(dialogue, "PWD", 257) == 257
    assert tell(dialogue, "ACCT x", 202) == 202


@pytest.mark.parametrize("codes", [(331, Login.NAMED, "bob"), (530, Login.NEW, None), (230, Login.IN, "bob")])
def test_user_begins_afresh_at_any_time(codes: tuple[int, Login, str | None]) -> None:
    code, login, user = codes
    dialogue = logged_in(("TYPE A", 200), ("EPSV", 229), ("REST 5", 350))
    tell(dialogue, "USER bob", code)
    assert (dialogue.login, dialogue.user) == (login, user)
    assert dialogue.type_ is TransferType.ASCII, "transfer parameters stay (RFC 959 s.4.1.1)"
    assert dialogue.data == DataPlan(), "a port that was opened for one user is not for the next"
    assert dialogue.restart is None


def test_rein_begins_again() -> None:
    dialogue = logged_in(("TYPE A", 200), ("EPSV ALL", 200), ("EPSV", 229), ("ALLO 5", 200), ("REIN", 220))
    fresh = ServerDialogue()
    assert vars(dialogue) == vars(fresh)


def test_rein_never_ends_tls() -> None:
    dialogue = logged_in(secured=True)
    assert tell(dialogue, "REIN") == 502
    assert dialogue.login is Login.IN


def test_tls_before_a_name() -> None:
    dialogue = ServerDialogue(tls_required=True)
    command = parse_command(b"USER ann")
    refusal = dialogue.admit(command)
    assert refusal is not None
    assert refusal.code == 530
    assert "AUTH TLS" in refusal.text
    assert "AUTH TLS" in (dialogue.admit(parse_command(b"PWD")) or reply(200, "")).text
    assert tell(dialogue, "AUTH TLS", 234) == 234
    dialogue.secure()
    assert tell(dialogue, "USER ann", 331) == 331
    assert tell(dialogue, "AUTH TLS") == 503


def test_what_was_said_in_clear_is_forgotten() -> None:
    dialogue = logged_in(("TYPE A", 200), ("RNFR a", 350), ("AUTH TLS", 234))
    dialogue.secure()
    assert vars(dialogue) == vars(ServerDialogue(secured=True))
    with pytest.raises(OutOfStep):
        dialogue.secure()


def test_protection_in_order() -> None:
    dialogue = ServerDialogue()
    assert tell(dialogue, "PBSZ 0") == 503
    assert tell(dialogue, "PROT P") == 503
    dialogue.secure()
    assert tell(dialogue, "PROT P") == 503
    assert tell(dialogue, "PBSZ 0", 200) == 200
    assert tell(dialogue, "PROT P", 200) == 200
    assert dialogue.protection == "P"
    assert tell(dialogue, "PROT C", 200) == 200
    assert dialogue.protection == "C"


def test_data_in_clear_is_refused_where_it_must_be_encrypted() -> None:
    dialogue = talk(("PBSZ 0", 200), *LOGIN_STEPS, ("EPSV", 229), tls_required=True, secured=True)
    assert tell(dialogue, "RETR a") == 521
    assert tell(dialogue, "LIST") == 521
    assert tell(dialogue, "PROT C") == 534
    assert tell(dialogue, "PROT P", 200) == 200
    assert tell(dialogue, "RETR a", 150, 226) == 226


def test_data_protection_is_a_setting_of_its_own() -> None:
    strict = logged_in(("EPSV", 229), protect_data=True)
    assert tell(strict, "RETR a") == 521
    loose = logged_in(("EPSV", 229), tls_required=True, protect_data=False, secured=True)
    assert tell(loose, "RETR a", 150, 226) == 226


@pytest.mark.parametrize("verb", ["RETR a", "STOR a", "STOU", "APPE a", "LIST", "NLST", "MLSD", "GET a", "PUT a"])
def test_a_transfer_needs_a_plan_and_uses_it_up(verb: str) -> None:
    dialogue = logged_in()
    assert tell(dialogue, verb) == 425
    tell(dialogue, "PORT 127,0,0,1,4,1", 200)
    assert dialogue.data == DataPlan(Plan.ACTIVE, ("127.0.0.1", 1025))
    tell(dialogue, verb, 150, 226)
    assert dialogue.data == DataPlan()
    assert tell(dialogue, verb) == 425


def test_a_plan_outlives_a_transfer_that_never_began() -> None:
    dialogue = logged_in(("EPSV", 229), ("RETR missing", 550))
    assert dialogue.data.kind is Plan.PASSIVE
    tell(dialogue, "RETR there", 425)
    assert dialogue.data.kind is Plan.NONE, "nobody came: the port is closed"


def test_epsv_all() -> None:
    dialogue = logged_in(("EPSV ALL", 200))
    assert dialogue.epsv_only
    assert dialogue.data.kind is Plan.NONE
    for line in ("PASV", "PORT 127,0,0,1,4,1", "EPRT |1|127.0.0.1|1025|"):
        assert tell(dialogue, line) == 503
    assert tell(dialogue, "EPSV", 229) == 229
    assert tell(dialogue, "RETR a", 150, 226) == 226
    assert tell(dialogue, "PASV") == 503, "for the rest of the session (RFC 2428 s.4)"


def test_a_later_plan_replaces_an_earlier() -> None:
    dialogue = logged_in(("EPRT |2|::1|1025|", 200), ("PASV", 227))
    assert dialogue.data == DataPlan(Plan.PASSIVE)
    tell(dialogue, "PASV", 425)
    assert dialogue.data == DataPlan(Plan.PASSIVE), "a refused one changes nothing"


def test_rename() -> None:
    dialogue = logged_in()
    assert tell(dialogue, "RNTO b") == 503
    tell(dialogue, "RNFR a", 350)
    for line, code in (("NOOP", 200), ("STAT", 211), ("ABOR", 226)):
        tell(dialogue, line, code)
        assert dialogue.rename_from == "a"
    tell(dialogue, "RNTO b", 250)
    assert dialogue.rename_from is None
    tell(dialogue, "RNFR a", 350)
    tell(dialogue, "PWD", 257)
    assert tell(dialogue, "RNTO b") == 503
    tell(dialogue, "RNFR a", 350)
    assert tell(dialogue, "RNFR missing", 550) == 550
    assert tell(dialogue, "RNTO b") == 503


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("PASV", 227),
        ("EPSV", 229),
        ("PORT 127,0,0,1,4,1", 200),
        ("EPRT |1|127.0.0.1|1025|", 200),
        ("TYPE I", 200),
        ("MODE S", 200),
        ("STRU F", 200),
        ("ALLO 9", 200),
        ("NOOP", 200),
        ("STAT", 211),
    ],
)
def test_rest_outlives_what_prepares_a_transfer(line: str, code: int) -> None:
    assert logged_in(("REST 7", 350), (line, code)).restart == 7


@pytest.mark.parametrize(
    ("line", "code"), [("PWD", 257), ("SIZE a", 213), ("CWD a", 550), ("HASH a", 213), ("LIST", 425)]
)
def test_rest_is_dropped_by_anything_else(line: str, code: int) -> None:
    assert logged_in(("REST 7", 350), (line, code)).restart is None


@pytest.mark.parametrize("verb", ["RETR a", "STOR a"])
def test_rest_is_there_for_its_transfer_and_no_other(verb: str) -> None:
    dialogue = logged_in(("EPSV", 229), ("REST 7", 350))
    command = parse_command(verb.encode())
    assert dialogue.admit(command) is None
    assert dialogue.restart == 7
    dialogue.answered(command, reply(150, "x"))
    assert dialogue.restart == 7
    dialogue.answered(command, reply(226, "x"))
    assert dialogue.restart is None


@pytest.mark.parametrize("verb", ["APPE a", "STOU"])
def test_rest_does_not_go_with_what_has_no_offset(verb: str) -> None:
    dialogue = logged_in(("EPSV", 229), ("REST 7", 350))
    assert tell(dialogue, verb) == 503
    assert dialogue.restart is None
    tell(dialogue, "REST 0", 350)
    assert tell(dialogue, verb, 150, 226) == 226


def test_allo_waits_for_the_next_upload() -> None:
    dialogue = logged_in(("ALLO 9", 200), ("EPSV", 229), ("RETR a", 150, 226), ("PWD", 257), ("EPSV", 229))
    assert dialogue.allocated == 9
    tell(dialogue, "STOR a", 150, 226)
    assert dialogue.allocated is None


def test_a_running_transfer_holds_back_all_but_a_few() -> None:
    dialogue = logged_in(("EPSV", 229), ("RETR a", 150))
    assert dialogue.transfer is not None
    assert dialogue.transfer.verb.name == "RETR"
    for line in ("PWD", "EPSV", "RETR b", "USER x"):
        with pytest.raises(OutOfStep, match="wait"):
            dialogue.admit(parse_command(line.encode()))
    for line in ("NOOP", "STAT", "ABOR", "QUIT"):
        assert dialogue.admit(parse_command(line.encode())) is None


def test_abor_during_a_transfer() -> None:
    dialogue = logged_in(("EPSV", 229))
    command, abort = parse_command(b"RETR a"), parse_command(b"ABOR")
    dialogue.answered(command, reply(150, "x"))
    assert dialogue.admit(abort) is None
    dialogue.answered(command, reply(426, "x"))
    dialogue.answered(abort, reply(226, "x"))
    assert dialogue.transfer is None
    assert tell(dialogue, "PWD", 257) == 257


@pytest.mark.parametrize("line", ["RETR a", "STOR a", "LIST", "HASH a", "XSHA256 a", "XCRC a", "XMD5 a"])
def test_whatever_takes_long_can_be_aborted(line: str) -> None:
    dialogue = logged_in(("EPSV", 229))
    assert tell(dialogue, line, 426) == 426


def test_a_reply_that_the_row_does_not_list() -> None:
    dialogue = logged_in(("EPSV", 229))
    with pytest.raises(OutOfStep, match="PWD is never answered with 226"):
        dialogue.answered(parse_command(b"PWD"), reply(226, "x"))
    for code in ALWAYS:
        dialogue.answered(parse_command(b"PWD"), reply(code, "x"))
    with pytest.raises(OutOfStep):
        dialogue.answered(parse_command(b"REIN"), reply(120, "x"))
    dialogue.answered(parse_command(b"RETR a"), reply(150, "x"))
    with pytest.raises(OutOfStep):
        dialogue.answered(parse_command(b"RETR a"), reply(150, "x"))


def test_the_tables_speak_of_verbs_and_codes_that_exist() -> None:
    rows = {name: row for name, row in VERBS.items() if row.alias_of is None}
    for verb, demands in DEMANDS.items():
        for demand in demands:
            assert rows[verb].may_reply(demand.code), (verb, demand)
            assert demand.text.endswith(".")
    dialogue = ServerDialogue()
    for (verb, code), (attribute, _) in EFFECTS.items():
        assert rows[verb].may_reply(code)
        assert hasattr(dialogue, attribute)
    for attribute, verbs in KEEPS.items():
        assert verbs <= rows.keys()
        assert getattr(dialogue, attribute) is None
    assert set(LOGIN) == set(Login)
    for steps in LOGIN.values():
        assert all(rows[verb].may_reply(code) for verb, code in steps)
    assert {name for name, row in rows.items() if row.transfer} <= DEMANDS.keys()


LINES = (
    """
    USER ann|USER bob|PASS x|PASS x|PASS x|ACCT x|REIN|AUTH TLS|PBSZ 0|PROT P|PROT C|NOOP|STAT|STAT a|FEAT|TYPE A|TYPE I
    MODE S|ALLO 5|PASV|EPSV|EPSV|EPSV ALL|PORT 127,0,0,1,4,1|EPRT !1!127.0.0.1!1025!|RETR a|STOR a|GET a|PUT a|APPE a
    STOU|LIST|MLSD|REST 7|REST 0|ABOR|PWD|RNFR a|RNFR b|RNTO c|SIZE a|MDTM a|HASH a|SITE HELP|HOST x|CCC
""".strip()
    .replace("\n", "|")
    .split("|")
)


class Dialogue(RuleBasedStateMachine):
    """Any commands in any order, with any reply that their rows allow."""

    def __init__(self) -> None:
        super().__init__()
        self.dialogue = ServerDialogue()
        self.running: Command | None = None
        self.history: list[tuple[str, int, Any]] = []  # verb, final code, value; what admit() refused among them

    @rule(tls_required=st.booleans(), secured=st.booleans())
    @precondition(lambda self: not self.history)
    def begin(self, tls_required: bool, secured: bool) -> None:
        self.dialogue = ServerDialogue(tls_required=tls_required, secured=secured)

    @rule(line=st.sampled_from([line.strip() for line in LINES]), data=st.data())
    def command(self, line: str, data: st.DataObject) -> None:
        command = parse_command(line.encode())
        if self.running is not None and not command.verb.during:
            with pytest.raises(OutOfStep):
                self.dialogue.admit(command)
            return
        before = self.dialogue
        if (refusal := before.admit(command)) is not None:
            assert refusal.code >= 500 or refusal.code == 425
            self.final(command, refusal)
            return
        assert before.login is Login.IN or not command.verb.login
        if command.verb.transfer:
            assert before.data.kind is not Plan.NONE
            assert before.protection == "P" or not before.protect_data
        code = data.draw(st.sampled_from(sorted(command.verb.replies)) | st.sampled_from(sorted(ALWAYS)))
        if code >= 200:
            self.final(command, reply(code, "x"))
        elif command.verb.transfer:
            self.dialogue.answered(command, reply(code, "x"))
            self.running = command

    @rule(data=st.data())
    @precondition(lambda self: self.running is not None)
    def end(self, data: st.DataObject) -> None:
        assert self.running is not None
        command, self.running = self.running, None
        code = data.draw(st.sampled_from(sorted(code for code in command.verb.replies if code >= 200)))
        self.final(command, reply(code, "x"))
        assert self.dialogue.data == DataPlan()

    @rule()
    @precondition(lambda self: not self.dialogue.secured and self.running is None)
    def secure(self) -> None:
        self.dialogue.secure()
        self.history.append(("<TLS>", 0, None))

    def final(self, command: Command, answer: Reply) -> None:
        self.dialogue.answered(command, answer)
        self.history.append((command.verb.name, answer.code, command.value))

    def last(self, verb: str, code: int, passing: str) -> Any:
        """The value of `verb` if it was answered with `code` and only `passing` verbs came since."""
        for name, got, value in reversed(self.history):
            if name == verb:
                return value if got == code else None
            if name not in passing.split():
                return None
        return None

    @invariant()
    def what_is_remembered_is_what_the_history_says(self) -> None:
        assert self.dialogue.rename_from == self.last("RNFR", 350, "NOOP STAT ABOR")
        assert self.dialogue.restart == self.last("REST", 350, "PASV EPSV PORT EPRT TYPE MODE STRU ALLO NOOP STAT")
        assert self.dialogue.transfer is self.running

    @invariant()
    def nothing_secret_goes_in_clear(self) -> None:
        dialogue = self.dialogue
        if dialogue.tls_required and not dialogue.secured:
            assert dialogue.login is Login.NEW
        if dialogue.protection == "P":
            assert dialogue.secured
            assert dialogue.pbsz
        assert (dialogue.user is None) == (dialogue.login is Login.NEW)

    @invariant()
    def a_login_has_a_password(self) -> None:
        if self.dialogue.login is Login.IN:
            names = [
                entry for entry in self.history if entry[0] in ("USER", "PASS", "REIN", "<TLS>") and entry[1] < 300
            ]
            assert names[-1][0] in ("USER", "PASS")


TestDialogue = Dialogue.TestCase
TestDialogue.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
