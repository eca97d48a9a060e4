"""The transcripts of docs/protocol.md, replayed against a server; the page says what its notation means (s.10)."""

from __future__ import annotations

import difflib
import hashlib
import hmac
import io
import os
import re
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from attrs import define, field

from tests.server.support import PASSWORD, Box, Talker, serving

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"
PATIENCE = 30.0  #: seconds until a line that does not come is missed
MTIME = 1795342500  # 2026-11-22 10:15:00 UTC
_STEP = re.compile(r"([CS])(x?)([0-9]*)([:>.]) ?(.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"<(?:proof ([0-9]+)|sha256 ([^>]*)|([a-z]+[0-9]?))>")
_ESCAPE = re.compile(r"\\(r|n|0|x[0-9a-f]{2})")


class Differs(AssertionError):
    """What the server said or did is not what the page says."""


# --- fixtures ---------------------------------------------------------------------------------------------------------


def _member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.mtime = kind, mode, target, MTIME
    return member


_BIN = (_member("bin", tarfile.DIRTYPE, 0o755), b"")
_REST = [(_member("bin/run", mode=0o755), b"hello"), (_member("note", tarfile.SYMTYPE, 0o777, "bin/run"), b"")]


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


ARCHIVES = {
    "tree1": _archive(_BIN, *_REST),
    "tree2": _archive((_member("bin"), b"world")),
    "unsafe": _archive((_member("up", tarfile.SYMTYPE, 0o777, "../x"), b"")),
    "nothing": _archive(),
    "bin": _archive(_BIN),
    "rest": _archive(*_REST),
    "cut": _archive(_BIN)[:512],
}


def _entries(archive: bytes) -> list[str]:
    """An archive as lines that can be compared."""
    lines = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            read = content.read() if content is not None else b""
            lines.append(f"{member.name} {member.type!r} {member.mode:o} {member.linkname} {read!r}")
    return lines


def _octets(text: str) -> bytes:
    """The octets that a text of the page stands for."""
    if text.startswith("@"):
        return ARCHIVES[text[1:]]
    named = {"r": "\r", "n": "\n", "0": "\0"}
    plain = _ESCAPE.sub(lambda found: named.get(found[1]) or chr(int(found[1][1:], 16)), text)
    return plain.encode()


# --- the page ---------------------------------------------------------------------------------------------------------


@define
class Transcript:
    """One block: its heading, the number of its first line, its lines."""

    heading: str
    first: int
    lines: list[str]


def transcripts(page: str) -> list[Transcript]:
    found: list[Transcript] = []
    heading, inside = "", False
    for number, line in enumerate(page.splitlines(), 1):
        if line == "```transcript":
            inside = True
            found.append(Transcript(heading, number + 1, []))
        elif line == "```":
            inside = False
        elif inside:
            found[-1].lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


TRANSCRIPTS = transcripts(PAGE.read_text())
#: The digests of trees that the page states.
TREES = dict(re.findall(r"`<(tree[12])>` is\s+`([0-9a-f]{64})`", PAGE.read_text()))


# --- what the lines say -----------------------------------------------------------------------------------------------


@define
class Names:
    """The values of `<name>`s; id and key are those of a session, the rest is shared."""

    shared: dict[str, str]
    own: dict[str, str] = field(factory=dict)

    def known(self, found: re.Match[str]) -> str | None:
        tag, text, name = found.groups()
        if tag is not None:
            line = f"{self.own['id']}.{int(tag):010}"
            return hmac.new(bytes.fromhex(self.own["key"]), line.encode(), "sha256").hexdigest()
        if text is not None:
            return hashlib.sha256(_octets(text)).hexdigest()
        return TREES.get(name) or self._where(name).get(name)

    def _where(self, name: str) -> dict[str, str]:
        return self.own if name in ("id", "key") else self.shared

    def fill(self, text: str) -> str:
        """`text` of the client with the values in it."""

        def value(found: re.Match[str]) -> str:
            known = self.known(found)
            if known is None:
                raise Differs(f"the page uses {found[0]} before the server said it")
            return known

        return _PLACEHOLDER.sub(value, text)

    def match(self, pattern: str, said: str) -> bool:
        """Whether the server's words are those of the page; names that come up for the first time get their values."""
        fresh: list[str] = []

        def part(found: re.Match[str]) -> str:
            known = self.known(found)
            if known is not None:
                return re.escape(known)
            if found[3] in fresh:
                return f"(?P={found[3]})"
            fresh.append(found[3])
            return f"(?P<{found[3]}>[^ ;]+)"

        found = re.fullmatch(_regular(pattern, part), said, re.DOTALL)
        if found is None:
            return False
        for name in fresh:
            self._where(name)[name] = found[name]
        return True


def _regular(pattern: str, part: Callable[[re.Match[str]], str]) -> str:
    lines = []
    for line in pattern.split("\n"):
        if line == "...":
            lines.append(r"(?:[^\n]*\n)*?")
            continue
        pieces, at = [], 0
        for found in re.finditer(rf"{_PLACEHOLDER.pattern}|\.\.\.", line):
            pieces.append(re.escape(line[at : found.start()]))
            inner = _PLACEHOLDER.fullmatch(found[0])
            pieces.append(part(inner) if inner else "[^\n]*")
            at = found.end()
        lines.append("".join(pieces) + re.escape(line[at:]) + "\n")
    return "".join(lines).removesuffix("\n")


@define
class Data:
    """A data connection of ours: what came on it, and what should have."""

    stream: trio.SocketStream
    came: bytes = b""
    expected: list[str] = field(factory=list)
    ended: trio.Event = field(factory=trio.Event)

    async def read(self) -> None:
        try:
            async for block in self.stream:
                self.came += block
        except trio.BrokenResourceError:
            pass  # a reset is an end, too
        self.ended.set()


@define
class End:
    """One session of a transcript."""

    talker: Talker
    names: Names
    tagged: dict[str, list[str]] = field(factory=dict)
    plain: list[str] = field(factory=list)
    data: dict[str, Data] = field(factory=dict)

    async def reply(self, tag: str | None) -> str:
        """The next reply of `tag`, or the next one without a tag."""
        held = self.plain if tag is None else self.tagged.setdefault(tag, [])
        with trio.move_on_after(PATIENCE):
            while not held:
                _code, text = await self.talker.hear()
                found = re.match(r"[0-9]{3} tag=([0-9]+);", text)
                (self.tagged.setdefault(found[1], []) if found else self.plain).append(text)
        return held.pop(0) if held else "(nothing)"

    def unheard(self) -> list[str]:
        return [*self.plain, *(text for texts in self.tagged.values() for text in texts)]


# --- replaying --------------------------------------------------------------------------------------------------------


class Player:
    """Plays one transcript against a server."""

    def __init__(self, box: Box, nursery: trio.Nursery) -> None:
        self._box = box
        self._nursery = nursery
        self._shared: dict[str, str] = {}
        self._ends: dict[str, End] = {}
        self._said = False  # whether anything was said: what D: means from then on

    async def play(self, transcript: Transcript) -> None:
        raw = any(line.startswith("S: 220") for line in transcript.lines[:1])
        await self._end("", raw=raw)
        steps = _steps(transcript.lines)
        for at, step in steps:
            try:
                await self._step(step)
            except Differs as error:
                place = f"docs/protocol.md:{transcript.first + at} ({transcript.heading})"
                raise Differs(f"{place}\n    {step}\n{error}") from None
        for end in self._ends.values():
            await end.talker.send("QUIT")
            goodbye = await end.reply(None)
            if not goodbye.startswith("221") or end.unheard():
                raise Differs(f"the page does not have {[goodbye, *end.unheard()]}")

    async def _end(self, which: str, *, raw: bool = False) -> End:
        if which not in self._ends:
            stream = await trio.open_tcp_stream("127.0.0.1", self._box.port)
            end = self._ends[which] = End(Talker(stream), Names(self._shared))
            if not raw:
                await end.talker.hear()
                await end.talker.log_in("ann", PASSWORD)
                answer = (await end.talker.ask("OPTS FTLITE 1"))[1]
                assert end.names.match("200 FTLITE 1 id=<id>;key=<key>;max=2;spares=2;", answer), answer
        return self._ends[which]

    async def _step(self, step: str) -> None:
        if step.startswith("D: "):
            self._disk(step[3:])
            return
        found = _STEP.fullmatch(step)
        if found is None:
            raise Differs("this is none of the page's notation")
        who, which, number, sign, text = found.groups(default="")
        self._said = True
        end = await self._end(which)
        with trio.fail_after(4 * PATIENCE):
            if number:
                await self._data(end, number, who + sign, text)
            elif who == "C":
                await end.talker.send(end.names.fill(text))
            else:
                await self._hear(end, text)

    async def _hear(self, end: End, pattern: str) -> None:
        found = re.match(r"[0-9]{3} tag=([0-9]+);", pattern)
        said = await end.reply(found[1] if found else None)
        if not end.names.match(pattern, said):
            raise Differs(_difference(pattern, said) + _held(end))

    async def _data(self, end: End, number: str, what: str, text: str) -> None:
        if what == "C>":
            if number not in end.data:
                end.data[number] = Data(await trio.open_tcp_stream("127.0.0.1", self._box.port))
                self._nursery.start_soon(end.data[number].read)
            with suppress(trio.BrokenResourceError):  # the server may have ended it already, as S1. will tell
                await end.data[number].stream.send_all(_octets(end.names.fill(text)))
        elif what == "C.":
            with suppress(trio.BrokenResourceError):
                await end.data[number].stream.send_eof()
        elif what == "S>":
            end.data[number].expected.append(text)
        else:
            await self._over(end, end.data[number])

    async def _over(self, end: End, data: Data) -> None:
        """The end of what comes: all of it is what the page says."""
        with trio.move_on_after(PATIENCE) as waited:
            await data.ended.wait()
        if waited.cancelled_caught:
            raise Differs(f"  the server does not end it; so far came {data.came!r}")
        greeting, _, content = data.came.partition(b"\r\n")
        if greeting and not greeting.startswith(b"220 "):
            raise Differs(f"  no greeting came first, but {data.came[:100]!r}")
        if data.expected and data.expected[0].startswith("@"):
            expected, came = _entries(_octets(data.expected[0])), _entries(content)
            if expected != came:
                raise Differs(_difference("\n".join(expected), "\n".join(came)))
            return
        pattern = "".join(data.expected).replace("\\r\\n", "\r\n")
        if not end.names.match(pattern, content.decode("utf-8", "backslashreplace")):
            raise Differs(_difference(pattern, content.decode("utf-8", "backslashreplace")))

    def _disk(self, text: str) -> None:
        name, sign, value = re.fullmatch(r"(\S+?)(?: (=|->|absent) ?(.*))?", text).groups(default="")  # type: ignore[union-attr]
        path = self._box.root / name
        if not self._said:
            path.parent.mkdir(parents=True, exist_ok=True)
            if sign == "=":
                path.write_bytes(_octets(value))
                path.chmod(0o644)
                os.utime(path, (MTIME, MTIME))
            else:
                path.mkdir()
            return
        if sign == "absent":
            found, wanted = os.path.lexists(path), False
        elif sign == "->":
            found, wanted = path.is_symlink() and os.readlink(path) == value, True
        else:
            found, wanted = path.is_file() and path.read_bytes() == _octets(value), True
        if found != wanted:
            there = sorted(str(at.relative_to(self._box.root)) for at in _all(self._box.root))
            raise Differs(f"  the disk has {there}")


def _steps(lines: list[str]) -> list[tuple[int, str]]:
    """The steps with their line numbers; the lines of a reply of several lines are one."""
    steps: list[tuple[int, str]] = []
    for at, line in enumerate(lines):
        before = steps[-1][1] if steps else ""
        opened = re.match(r"Sx?: ([0-9]{3})-", before)
        if opened and not re.search(rf"\n{opened[1]} [^\n]*\Z", before):
            steps[-1] = (steps[-1][0], f"{before}\n{line.removeprefix('S: ')}")
        else:
            steps.append((at, line))
    return steps


def _difference(expected: str, came: str) -> str:
    lines = difflib.ndiff(expected.split("\n"), came.split("\n"))
    return "\n".join(f"  {line.rstrip()}" for line in lines) + "\n  (-: the page, +: the server)"


def _held(end: End) -> str:
    return f"\n  heard besides: {end.unheard()}" if end.unheard() else ""


def _all(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if ".ftlite" not in str(path)]


async def replay(root: Path, transcript: Transcript) -> str:
    """How the server differs from the page; nothing when it does not."""
    async with serving(root, limits={"transfers": 2, "spares": 2}) as box, trio.open_nursery() as nursery:
        difference = ""
        try:
            await Player(box, nursery).play(transcript)
        except Differs as error:
            difference = str(error)
        nursery.cancel_scope.cancel()
    return difference


def _id(transcript: Transcript) -> str:
    return f"{transcript.first}-{transcript.heading.replace(' ', '-')}"


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=_id)
async def test_the_page_is_what_the_server_says(root: Path, transcript: Transcript) -> None:
    if difference := await replay(root, transcript):
        pytest.fail(difference, pytrace=False)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 20


@pytest.mark.parametrize(
    ("page", "difference"),
    [
        ("C: NOOP\nS: 500 ...", "- 500 ...\n  + 200 Yes."),
        ("C: GET tag=1; f\nS: 550 tag=1;kind=denied; ...", "kind=not-found;"),
        ("D: f = hello\nC: HASH tag=1; f\nS: 213 tag=1;size=5;version=<v>;sha256=<v>; f", "sha256=2cf24dba"),
        ("C: PWD\nS: 257 ...\nD: f = hello", "the disk has []"),
        (
            "D: f = hello\nC: GET tag=1; f\nC1> DATA <id>.0000000001 <proof 1>\\r\\n\nS: 150 tag=1;...\nS1> jello\nS1.",
            "+ hello",
        ),
        ("C: GET tag=1; <v>", "uses <v> before"),
        ("Z: 1", "none of the page's notation"),
    ],
)
async def test_a_difference_is_told(root: Path, page: str, difference: str) -> None:
    told = await replay(root, Transcript("a page", 1, page.splitlines()))
    assert difference in told
    assert told.startswith("docs/protocol.md:")


async def test_what_the_page_leaves_out_is_told(root: Path) -> None:
    told = await replay(root, Transcript("a page", 1, ["C: GET tag=1; f", "C: NOOP", "S: 200 ..."]))
    assert "the page does not have" in told
