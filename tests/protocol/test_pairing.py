"""The client's end, and both ends together: bytes through both, each in its own role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadArgument, BadReply, OutOfStep
from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.pairing import GREETING, HEARD, SENT, Answer, ClientDialogue, Phase
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import Login, ServerDialogue
from ftlite.protocol.verbs import ALWAYS, VERBS, Command, parse_command
from tests.protocol.pieces import bytewise, cuts, torn


def hear(client: ClientDialogue, data: bytes) -> list[tuple[str | None, int, bool]]:
    """What `client` makes of `data`: (command, code, final)."""
    client.receive(data)
    heard = []
    while (answer := client.next()) is not None:
        heard.append((answer.command, answer.reply.code, answer.final))
    return heard


def greeted() -> ClientDialogue:
    client = ClientDialogue()
    assert hear(client, b"220 hi\r\n") == [(GREETING, 220, True)]
    return client


def test_the_server_speaks_first() -> None:
    client = ClientDialogue()
    with pytest.raises(OutOfStep, match="waits for the greeting"):
        client.send("USER", "ann")
    assert hear(client, b"120 soon\r\n") == [(GREETING, 120, False)]
    with pytest.raises(OutOfStep):
        client.send("USER", "ann")
    assert hear(client, b"220 now\r\n") == [(GREETING, 220, True)]
    assert client.send("user", "ann") == b"USER ann\r\n"


@pytest.mark.parametrize("code", [421, 500, 530])
def test_a_greeting_that_refuses(code: int) -> None:
    client = ClientDialogue()
    assert hear(client, b"%d no\r\n" % code) == [(GREETING, code, True)]
    assert client.phase is Phase.GONE
    with pytest.raises(OutOfStep):
        client.send("NOOP")


def test_pipelining() -> None:
    client = greeted()
    sent = client.send("CWD", "a") + client.send("EPSV") + client.send("RETR", "b")
    assert sent == b"CWD a\r\nEPSV\r\nRETR b\r\n"
    assert client.outstanding == ("CWD", "EPSV", "RETR")
    assert hear(client, b"250 ok\r\n229 (|||5|)\r\n150 go\r\n") == [
        ("CWD", 250, True),
        ("EPSV", 229, True),
        ("RETR", 150, False),
    ]
    assert client.outstanding == ("RETR",)
    assert hear(client, b"226 done\r\n") == [("RETR", 226, True)]
    assert client.outstanding == ()


def test_an_intermediate_reply_is_the_last_to_its_command() -> None:
    client = greeted()
    client.send("USER", "ann")
    client.send("PASS", "x")
    assert hear(client, b"331 x\r\n230 x\r\n") == [("USER", 331, True), ("PASS", 230, True)]


@pytest.mark.parametrize("transfer", [226, 250, 426, 451])
@pytest.mark.parametrize("abort", [225, 226, 426, 502])
def test_abor_with_two_replies(transfer: int, abort: int) -> None:
    client = greeted()
    client.send("RETR", "a")
    assert hear(client, b"150 go\r\n") == [("RETR", 150, False)]
    client.send("ABOR")
    client.send("NOOP")
    data = b"%d x\r\n%d x\r\n200 x\r\n" % (transfer, abort)
    assert hear(client, data) == [("RETR", transfer, True), ("ABOR", abort, True), ("NOOP", 200, True)]
    assert client.outstanding == ()


@pytest.mark.parametrize("only", [226, 426])
@pytest.mark.parametrize("pieces", [bytewise, lambda data: [data]])
def test_abor_with_one_reply_is_closed_by_the_noop_behind_it(only: int, pieces: Callable[[bytes], list[bytes]]) -> None:
    client = greeted()
    client.send("RETR", "a")
    hear(client, b"150 go\r\n")
    client.send("ABOR")
    client.send("NOOP")
    heard = [each for piece in pieces(b"%d aborted\r\n200 ok\r\n" % only) for each in hear(client, piece)]
    assert heard == [("RETR", only, True), ("ABOR", only, True), ("NOOP", 200, True)]
    assert client.outstanding == ()
    client.send("PWD")
    assert hear(client, b'257 "/"\r\n') == [("PWD", 257, True)]


def test_abor_with_nothing_running_is_a_command_like_any_other() -> None:
    client = greeted()
    client.send("ABOR")
    client.send("NOOP")
    assert hear(client, b"226 nothing to do\r\n200 ok\r\n") == [("ABOR", 226, True), ("NOOP", 200, True)]


def test_a_held_reply_is_pending() -> None:
    client = greeted()
    for name in ("RETR", "ABOR", "NOOP"):
        client.send(name, "a" if name == "RETR" else "")
    client.receive(b"226 x\r\n200 ok\r\n")
    for command in ("RETR", "ABOR"):
        answer = client.next()
        assert answer is not None
        assert answer.command == command
    assert client.pending == b"200 ok\r\n"


def test_a_421_that_nobody_asked_for() -> None:
    client = greeted()
    assert hear(client, b"421 idle\r\n") == [(None, 421, True)]
    assert client.phase is Phase.GONE
    with pytest.raises(OutOfStep, match="is done"):
        client.send("NOOP")


def test_a_421_instead_of_an_answer() -> None:
    client = greeted()
    client.send("RETR", "a")
    client.send("NOOP")
    assert hear(client, b"150 go\r\n421 going down\r\n") == [("RETR", 150, False), ("RETR", 421, True)]
    assert client.phase is Phase.GONE
    assert client.outstanding == ("NOOP",)


def test_a_reply_to_nothing() -> None:
    client = greeted()
    with pytest.raises(BadReply, match="a reply to nothing: 226"):
        hear(client, b"226 \x1b[2J surprise\r\n")


def test_quit_is_the_last_word() -> None:
    client = greeted()
    client.send("QUIT")
    with pytest.raises(OutOfStep):
        client.send("NOOP")
    assert hear(client, b"221 bye\r\n") == [("QUIT", 221, True)]
    assert client.phase is Phase.GONE


def test_tls_starts_in_between() -> None:
    client = greeted()
    with pytest.raises(OutOfStep):
        client.secure()
    client.send("AUTH", "TLS")
    with pytest.raises(OutOfStep):
        client.send("USER", "ann")
    assert hear(client, b"234 go\r\n") == [("AUTH", 234, True)]
    with pytest.raises(OutOfStep, match="must start TLS"):
        client.send("USER", "ann")
    client.secure()
    client.send("USER", "ann")


@pytest.mark.parametrize("more", [b"230 you are in\r\n", b"230-", b"2"])
def test_clear_text_behind_the_234(more: bytes) -> None:
    client = greeted()
    client.send("AUTH", "TLS")
    client.receive(b"234 go\r\n" + more)
    assert client.next() is not None
    with pytest.raises(BadReply, match="in clear"):
        client.secure()


def test_a_refused_auth_leaves_the_client_where_it_was() -> None:
    client = greeted()
    client.send("AUTH", "TLS")
    assert hear(client, b"504 no\r\n") == [("AUTH", 504, True)]
    client.send("AUTH", "SSL")


def test_rein_waits_for_its_greeting() -> None:
    client = greeted()
    client.send("REIN")
    with pytest.raises(OutOfStep):
        client.send("USER", "ann")
    assert hear(client, b"120 soon\r\n220 hi\r\n") == [("REIN", 120, False), ("REIN", 220, True)]
    client.send("USER", "ann")


def test_a_command_that_cannot_be_written_was_not_sent() -> None:
    client = greeted()
    with pytest.raises(BadArgument):
        client.send("RETR", "a\nb")
    assert client.outstanding == ()
    assert client.phase is Phase.READY


def test_secrets_stay_out_of_answers() -> None:
    client = greeted()
    client.send("PASS", "hunter2")
    client.receive(b"230 x\r\n")
    answer = client.next()
    assert answer is not None
    assert answer.shown == "PASS ****"
    assert "hunter2" not in repr(answer)


def test_telnet_is_answered() -> None:
    client = ClientDialogue()
    hear(client, b"\xff\xfd\x18220 hi\r\n")
    assert client.telnet() == b"\xff\xfc\x18"
    assert client.telnet() == b""


def test_the_tables_are_whole() -> None:
    assert set(HEARD) == set(Phase)
    for verb, phase in SENT.items():
        assert verb in VERBS
        assert {name for name, _ in HEARD[phase]} == {verb}
        # Whatever ends the command leads out of the phase again.
        digits = {code // 100 for code in VERBS[verb].replies | ALWAYS if code >= 200}
        assert digits <= {digit for _, digit in HEARD[phase]}


class Pair:
    """A client and a server with nothing but bytes between them. Replies are chosen by `choose`."""

    def __init__(self, choose: Callable[[Command], list[Reply]], where: list[int]) -> None:
        self.client, self.server = ClientDialogue(), ServerDialogue()
        self.choose, self.where = choose, where
        self.splitter = LineSplitter(4096, telnet=True)
        self.expected: list[tuple[str | None, Reply]] = []
        self.answers: list[Answer] = []
        self.to_client(reply(220, "220-this looks", "220 like an end", "hi"), GREETING)

    def to_client(self, answer: Reply, command: str) -> None:
        self.expected.append((command, answer))
        for piece in torn(answer.encode(), self.where):
            self.client.receive(piece)
            while (heard := self.client.next()) is not None:
                self.answers.append(heard)

    def to_server(self, data: bytes) -> None:
        for piece in torn(data, self.where):
            self.splitter.feed(piece)
            while (line := self.splitter.next()) is not None:
                self.serve(parse_command(line))

    def serve(self, command: Command) -> None:
        refusal = self.server.admit(command)
        for answer in [refusal] if refusal else self.choose(command):
            self.server.answered(command, answer)
            self.to_client(answer, command.name)


SCRIPT = [
    "USER ann",
    "PASS a b",
    "PWD",
    "EPSV",
    "RETR \udcff x",
    "put y",
    "NOOP",
    "RNFR a",
    "RNTO b",
    "LIST",
    "REST 5",
    "MKD n",
]


@given(st.lists(st.sampled_from(SCRIPT), max_size=12), st.data(), cuts)
@settings(deadline=None)
def test_both_ends_stay_in_step(script: list[str], data: st.DataObject, where: list[int]) -> None:
    def choose(command: Command) -> list[Reply]:
        codes = sorted(code for code in command.verb.replies if code >= 200)
        final = reply(data.draw(st.sampled_from(codes)), "a", "226 x", "", "end")
        return [reply(150, "go"), final] if command.verb.transfer and data.draw(st.booleans()) else [final]

    pair = Pair(choose, where)
    lines = b"".join(pair.client.send(*line.split(" ", 1)) for line in script)
    assert pair.client.outstanding == tuple(line.split(" ")[0].upper() for line in script)
    pair.to_server(lines)
    assert [(answer.command, answer.reply) for answer in pair.answers] == pair.expected
    assert pair.client.outstanding == ()
    assert pair.client.pending == pair.splitter.pending == b""


def test_a_whole_session_between_the_two() -> None:
    codes = {"USER": 331, "PASS": 230, "AUTH": 234, "PBSZ": 200, "PROT": 200, "EPSV": 229, "QUIT": 221}

    def choose(command: Command) -> list[Reply]:
        if command.verb.transfer:
            return [reply(150, "go"), reply(226, "done")]
        return [reply(codes[command.verb.name], "x")]

    pair = Pair(choose, [1])
    pair.to_server(pair.client.send("AUTH", "TLS"))
    pair.client.secure()
    pair.server.secure()
    for name, argument in [("USER", "ann"), ("PASS", "x"), ("PBSZ", "0"), ("PROT", "P"), ("EPSV", ""), ("STOR", "a")]:
        pair.to_server(pair.client.send(name, argument))
    assert pair.server.login is Login.IN
    assert pair.server.protection == "P"
    pair.to_server(pair.client.send("QUIT"))
    assert [answer.reply.code for answer in pair.answers] == [220, 234, 331, 230, 200, 200, 229, 150, 226, 221]
    assert pair.client.phase is Phase.GONE
