"""Tagged commands beside the order of untagged ones, at the server's end and at the client's."""

from __future__ import annotations

import pytest

from ftlite.protocol.errors import BadArgument, BadFacts, BadReply, OutOfStep
from ftlite.protocol.native.answers import Begun, Moved, Refusal, Working
from ftlite.protocol.native.requests import ENDS_NATIVE, AbortRequest, DoneRequest, GetRequest, HashRequest, PutRequest
from ftlite.protocol.native.values import Digests
from ftlite.protocol.pairing import Answer, ClientDialogue, Phase
from ftlite.protocol.replies import reply
from ftlite.protocol.states import Login, ServerDialogue
from ftlite.protocol.verbs import parse_command

H = "0f" * 32


def server(*, native: bool = True, **terms: bool) -> ServerDialogue:
    """A session that is logged in, and native unless told otherwise."""
    dialogue = ServerDialogue(**terms)
    for line, code in [(b"USER a", 331), (b"PASS b", 230), *([(b"OPTS FTLITE 1", 200)] if native else [])]:
        command = parse_command(line)
        assert dialogue.admit(command) is None
        dialogue.answered(command, reply(code, "x"))
    return dialogue


def client(*, native: bool = True) -> ClientDialogue:
    """A session that was greeted, and is native unless told otherwise."""
    dialogue = ClientDialogue()
    dialogue.receive(b"220 hi\r\n")
    assert dialogue.next() is not None
    dialogue.native = native
    return dialogue


def hear(dialogue: ClientDialogue, text: str) -> Answer:
    dialogue.receive(text.encode() + b"\r\n")
    answer = dialogue.next()
    assert answer is not None
    return answer


# --- the server ---


def test_native_mode_is_granted_after_the_login() -> None:
    dialogue = ServerDialogue()
    opts = parse_command(b"opts ftlite 1")
    refusal = dialogue.admit(opts)
    assert refusal is not None
    assert refusal.code == 530
    assert not dialogue.native
    assert dialogue.admit(parse_command(b"OPTS UTF8 ON")) is None
    assert server().native


def test_native_mode_is_on_only_when_it_was_granted() -> None:
    dialogue = server(native=False)
    dialogue.answered(parse_command(b"OPTS FTLITE 2"), reply(501, "No."))
    dialogue.answered(parse_command(b"OPTS UTF8 ON"), reply(200, "Yes."))
    assert not dialogue.native


def test_where_data_must_be_encrypted_it_comes_after_prot_p() -> None:
    dialogue = server(native=False, protect_data=True, secured=True)
    refusal = dialogue.admit(parse_command(b"OPTS FTLITE 1"))
    assert refusal is not None
    assert refusal.code == 503
    dialogue.protection = "P"
    assert dialogue.admit(parse_command(b"OPTS FTLITE 1")) is None


@pytest.mark.parametrize(
    ("line", "code"), [(b"USER b", 331), (b"USER b", 530), (b"REIN", 220), (b"AUTH TLS", 503), (b"PROT P", 503)]
)
def test_what_ends_native_mode(line: bytes, code: int) -> None:
    dialogue = server()
    command = parse_command(line)
    assert command.verb.name in ENDS_NATIVE
    dialogue.answered(command, reply(code, "x"))
    assert not dialogue.native


def test_what_does_not_end_it() -> None:
    dialogue = server()
    for line, code in [(b"NOOP", 200), (b"OPTS UTF8 ON", 200), (b"PASS x", 503), (b"OPTS FTLITE 2", 501)]:
        dialogue.answered(parse_command(line), reply(code, "x"))
    assert dialogue.native


def test_tls_begins_without_it() -> None:
    dialogue = server()
    dialogue.secure()
    assert not dialogue.native


def test_tagged_commands_come_at_any_time() -> None:
    dialogue = server(protect_data=False)
    stock = parse_command(b"RETR x", native=True)
    dialogue.answered(parse_command(b"PASV"), reply(227, "x"))
    dialogue.answered(stock, reply(150, "x"))
    for line in (b"GET tag=1; x", b"MLSD tag=2;", b"HASH tag=3; x", b"ABOR tag=1;", b"PUT tag=4; x", b"WAIT tag=5; x"):
        assert dialogue.admit(parse_command(line, native=True)) is None
    assert dialogue.transfer is stock


def test_out_of_native_mode_they_are_refused() -> None:
    dialogue = server()
    command = parse_command(b"GET tag=1; x", native=True)
    dialogue.answered(parse_command(b"USER b"), reply(331, "x"))
    refusal = dialogue.admit(command)
    assert refusal is not None
    assert refusal.code == 503
    dialogue.answered(command, refusal)
    done = dialogue.admit(parse_command(b"DONE tag=1;"))
    assert done is not None
    assert done.code == 530
    late = server(native=False).admit(parse_command(b"DONE tag=1;"))
    assert late is not None
    assert late.code == 503


def test_a_tagged_command_leaves_what_was_remembered() -> None:
    dialogue = server()
    for line, code in [(b"PASV", 227), (b"REST 5", 350)]:
        dialogue.answered(parse_command(line), reply(code, "x"))
    plan = dialogue.data
    get = parse_command(b"GET tag=1; x", native=True)
    for answer in (reply(150, "tag=1;offset=0; x"), reply(226, "tag=1;bytes=0; x")):
        dialogue.answered(get, answer)
    abort = parse_command(b"ABOR tag=1;", native=True)
    dialogue.answered(abort, reply(225, "Nothing runs."))
    assert (dialogue.restart, dialogue.data, dialogue.transfer) == (5, plan, None)


def test_a_tagged_command_is_answered_with_its_tag() -> None:
    dialogue = server()
    get = parse_command(b"GET tag=1; x", native=True)
    for answer in (reply(226, "Done."), reply(226, "tag=2; x")):
        with pytest.raises(OutOfStep):
            dialogue.answered(get, answer)
    with pytest.raises(OutOfStep):
        dialogue.answered(parse_command(b"ABOR tag=1;", native=True), reply(331, "x"))


def test_a_plain_wait_is_a_command_like_others() -> None:
    dialogue = server(native=False)
    wait = parse_command(b"WAIT timeout=5; x")
    assert dialogue.admit(wait) is None
    dialogue.answered(wait, reply(213, "type=file;size=1; x"))
    refusal = ServerDialogue().admit(wait)
    assert refusal is not None
    assert refusal.code == 530
    assert server().login is Login.IN


# --- the client ---


def test_replies_of_tags_come_beside_the_order() -> None:
    dialogue = client()
    assert dialogue.send("NOOP") == b"NOOP\r\n"
    assert dialogue.send_tagged(GetRequest(1, "a b")) == b"GET tag=1; a b\r\n"
    assert dialogue.send("HASH", "tag=2; c") == b"HASH tag=2; c\r\n"
    assert dialogue.send("PWD") == b"PWD\r\n"
    assert dialogue.outstanding == ("NOOP", "PWD")
    assert dialogue.running == (1, 2)
    answers = [
        hear(dialogue, text)
        for text in (
            "150 tag=2;stage=hash;",
            "150 tag=1;offset=0;size=3; a b",
            "200 Yes.",
            f"213 tag=2;size=1;sha256={H}; c",
            f"226 tag=1;bytes=3;size=3;sha256={H}; a b",
            '257 "/" is it.',
        )
    ]
    assert [(each.command, each.tag, each.final) for each in answers] == [
        ("HASH", 2, False),
        ("GET", 1, False),
        ("NOOP", None, True),
        ("HASH", 2, True),
        ("GET", 1, True),
        ("PWD", None, True),
    ]
    assert [type(each.said) for each in answers[:2]] == [Working, Begun]
    assert answers[4].said == Moved(1, "a b", 3, size=3, digests=Digests(H))
    assert answers[4].shown == "GET tag=1; a b"
    assert not dialogue.outstanding
    assert not dialogue.running


def test_an_upload_with_its_done() -> None:
    dialogue = client()
    dialogue.send_tagged(PutRequest(2, "x", 5))
    with pytest.raises(OutOfStep):
        dialogue.send_tagged(DoneRequest(2, 5, Digests(H)))  # before the 150: the offset is not known
    hear(dialogue, "150 tag=2;offset=0; x")
    assert dialogue.send_tagged(DoneRequest(2, 5, Digests(H))) == f"DONE tag=2;bytes=5;sha256={H};\r\n".encode()
    assert dialogue.outstanding == ()
    assert hear(dialogue, "226 tag=2;bytes=5; x").final


def test_a_done_that_crosses_the_final_reply_says_nothing() -> None:
    dialogue = client()
    dialogue.send_tagged(PutRequest(2, "x", 5))
    hear(dialogue, "150 tag=2;offset=0; x")
    assert hear(dialogue, "426 tag=2;kind=stalled; too slow").said == Refusal(2, 426, "stalled", "too slow")
    assert dialogue.send_tagged(DoneRequest(2, 5, Digests(H))).startswith(b"DONE")
    assert dialogue.running == ()


def test_the_reply_to_an_abort_comes_in_its_turn() -> None:
    dialogue = client()
    dialogue.send_tagged(GetRequest(1, "a"))
    dialogue.send("NOOP")
    dialogue.send_tagged(AbortRequest(1))
    dialogue.send("PWD")
    assert hear(dialogue, "426 tag=1;kind=aborted;").tag == 1
    heard = [hear(dialogue, text).command for text in ("200 Yes.", "226 Ended.", '257 "/"')]
    assert heard == ["NOOP", "ABOR", "PWD"]


@pytest.mark.parametrize(
    "text",
    [
        "226 tag=2; x",
        "226 tag=1; x",
        "213 tag=x; x",
        "226 tag=1;size=x; x",
        "200 tag=1; x",
        "226-tag=1;\r\n226 tag=1;",
    ],
)
def test_replies_that_make_no_sense(text: str) -> None:
    dialogue = client()
    dialogue.send_tagged(GetRequest(1, "a"))
    dialogue.receive(text.encode() + b"\r\n")
    with pytest.raises(BadReply):
        dialogue.next()


def test_a_tag_is_answered_once() -> None:
    dialogue = client()
    dialogue.send_tagged(HashRequest(1, "a"))
    hear(dialogue, "550 tag=1;kind=not-found; a: no such file.")
    dialogue.receive(b"550 tag=1;kind=not-found;\r\n")
    with pytest.raises(BadReply):
        dialogue.next()


def test_a_tag_is_used_once() -> None:
    dialogue = client()
    dialogue.send_tagged(HashRequest(1, "a"))
    with pytest.raises(OutOfStep):
        dialogue.send_tagged(HashRequest(1, "a"))
    hear(dialogue, "550 tag=1;kind=not-found;")
    with pytest.raises(OutOfStep):
        dialogue.send_tagged(HashRequest(1, "a"))


def test_what_cannot_be_sent() -> None:
    dialogue = client()
    for name, argument in [("GET", "a"), ("HASH", "tag=0; a"), ("ABOR", "tag=1; a")]:
        with pytest.raises(BadFacts):
            dialogue.send(name, argument)
    with pytest.raises(BadFacts):
        dialogue.send_tagged(GetRequest(1, ""))
    with pytest.raises(BadArgument):
        dialogue.send("HASH", "tag=1; a\nb")
    assert not dialogue.outstanding
    assert not dialogue.running
    assert dialogue.send_tagged(HashRequest(1, "a"))


def test_in_stock_a_tag_is_a_name() -> None:
    dialogue = client(native=False)
    dialogue.send("HASH", "tag=1; a")
    assert dialogue.outstanding == ("HASH",)
    answer = hear(dialogue, "213 tag=1; a")
    assert (answer.command, answer.tag) == ("HASH", None)


@pytest.mark.parametrize("name", sorted(ENDS_NATIVE - {"AUTH", "REIN"}))
def test_the_end_of_native_mode(name: str) -> None:
    dialogue = client()
    dialogue.send_tagged(GetRequest(1, "a"))
    dialogue.send(name, "x")
    for request in (GetRequest(2, "a"), AbortRequest(1)):
        with pytest.raises(OutOfStep):
            dialogue.send_tagged(request)
    assert hear(dialogue, "426 tag=1;kind=aborted;").tag == 1
    assert dialogue.native
    assert hear(dialogue, "331 Go on.").command == name
    assert not dialogue.native
    dialogue.native = True
    assert dialogue.send_tagged(GetRequest(2, "a"))


def test_a_tag_that_is_answered_late_keeps_its_place() -> None:
    dialogue = client()
    dialogue.send_tagged(GetRequest(1, "a"))
    dialogue.send("USER", "b")
    hear(dialogue, "331 Go on.")
    dialogue.send("NOOP")
    assert hear(dialogue, "426 tag=1;kind=aborted;").tag == 1
    assert hear(dialogue, "200 Yes.").command == "NOOP"


def test_the_server_may_leave_while_tags_run() -> None:
    dialogue = client()
    dialogue.send_tagged(GetRequest(1, "a"))
    answer = hear(dialogue, "421 Going down.")
    assert (answer.command, answer.tag, dialogue.phase) == (None, None, Phase.GONE)
    with pytest.raises(OutOfStep):
        dialogue.send_tagged(GetRequest(2, "a"))
