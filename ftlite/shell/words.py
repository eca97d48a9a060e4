"""A line as sh would read it: words, quotes, patterns, and what is between commands. Pure.

    command word 'one word' "another \\"one\\"" one\\ more      # a comment
    first; second && only-if-it-went-well || if-it-did-not &   # & : in the background
    ls | grep x > local-file ; cat f >> more ; put - name < local-file ; !uname -a

Behind ``|`` and ``!`` stands what sh is to run, as it is: behind ``|`` to the next ``;``, ``&`` or ``||``, behind ``!``
to the line's end.
"""

from __future__ import annotations

import enum
import re

from attrs import define, field, frozen

from ftlite.shell.errors import BadLine, Unfinished


class Word(str):
    """What a word means. `pattern` is its form for matching names, where something in it, unquoted, can match several;
    what is literal there is escaped as ``[*]``. None: it is itself and nothing else."""

    __slots__ = ("pattern",)
    pattern: str | None

    def __new__(cls, text: str, pattern: str | None = None) -> Word:
        word = super().__new__(cls, text)
        word.pattern = pattern
        return word

    def __str__(self) -> str:  # click makes a str of what it hands on, and the pattern must survive that
        return self


class When(enum.Enum):
    """On what a command depends."""

    ALWAYS = ";"
    AND = "&&"
    OR = "||"


@frozen
class Statement:
    """One command with all that belongs to it.

    Attributes:
        text: as it was written, for people.
        words: its words; none where `outside` is set.
        when: on what became of the one before.
        outside: what sh is to run instead (``!``).
        pipe: what sh is to run with the output as its input.
        target, append: the local file that takes the output, and whether it is kept and gets longer.
        source: the local file that is its input.
        background: it runs beside what follows.
        ignore, silent: its failure does not count; nothing but errors is said. From batch files, by ``-`` and ``@``.
    """

    text: str
    words: tuple[Word, ...] = ()
    when: When = When.ALWAYS
    outside: str | None = None
    pipe: str | None = None
    target: str | None = None
    append: bool = False
    source: str | None = None
    background: bool = False
    ignore: bool = False
    silent: bool = False


_MAGIC = "*?["
_END = re.compile(r"&&|\|\||[;&|<>\n]")


def parse(text: str, *, batch: bool = False) -> list[Statement]:
    """The commands of `text`.

    Args:
        batch: a leading ``-`` and ``@`` mean something.

    Raises:
        Unfinished: it ends within quotes or behind a backslash.
        BadLine: something is missing or stands in the wrong place.
    """
    if "\0" in text:
        raise BadLine("there is a NUL in the line")
    return _Parser(text, batch).all()


def unfinished(text: str) -> bool:
    """Whether more is to come, within quotes or behind a backslash."""
    try:
        parse(text)
    except Unfinished:
        return True
    except BadLine:
        return False
    return False


def split(text: str) -> list[Word]:
    """The words of a line that is one plain command. BadLine as `parse`."""
    found = parse(text)
    return list(found[0].words) if found else []


def quote(text: str) -> str:
    """`text` as one word that means itself."""
    if re.fullmatch(r"[\w@%+=:,./~-]+", text) and text[0] not in "-@~":
        return text
    return "'" + text.replace("'", "'\\''") + "'"


@frozen
class Cut:
    """A line as far as the cursor, for completion.

    Attributes:
        words: those before the one that the cursor is in or behind.
        start: where that one begins in the line.
        typed: what it means so far.
        mark: the quotation that is open at the cursor, or "".
        role: ``word``; ``target`` or ``source`` behind ``>`` and ``<``; ``sh`` in what sh is to run.
    """

    words: tuple[Word, ...]
    start: int
    typed: Word
    mark: str
    role: str


_CURSOR = "\0"  #: cannot be in a line, since it cannot be in a name


def cut(text: str) -> Cut | None:
    """What stands at the end of `text`; None where nothing can be completed: in a comment, or in what is wrong."""
    for mark in ("", "'", '"'):
        parser = _Parser(text + _CURSOR + mark, batch=False)
        try:
            statements = parser.all()
        except Unfinished:
            continue
        except BadLine:
            return None
        return _found(statements[-1], parser.began, mark) if statements else None
    return None


def _found(last: Statement, start: int, mark: str) -> Cut | None:
    for role, raw in (("sh", last.pipe), ("sh", last.outside), ("target", last.target), ("source", last.source)):
        if raw is not None and raw.rstrip("'\"").endswith(_CURSOR):
            typed = raw[: raw.index(_CURSOR)]
            if role == "sh":
                typed = re.split(r"[\s;|&<>]", typed)[-1]
                return Cut(last.words, -len(typed), Word(typed), "", role)
            return Cut(last.words, start, Word(typed), mark, role)
    if not last.words or not last.words[-1].endswith(_CURSOR):
        return None
    *before, word = last.words
    pattern = word.pattern.replace(_CURSOR, "") if word.pattern is not None else None
    return Cut(tuple(before), start, Word(word[:-1], pattern), mark, "word")


def spelled(word: str) -> str:
    """`word` as it may be written, a pattern as a pattern."""
    if not isinstance(word, Word) or word.pattern is None:
        return quote(word)
    parts = re.findall(r"\[([*?[])\]|([*?[])|([^*?[]+)", word.pattern)
    return "".join(magic or quote(escaped or literal) for escaped, magic, literal in parts)


@define(eq=False)
class _Parser:
    text: str
    batch: bool
    at: int = 0
    began: int = 0  #: where the last word begins
    words: list[Word] = field(factory=list)
    parts: dict[str, object] = field(factory=dict)
    done: list[Statement] = field(factory=list)
    start: int = 0
    when: When = When.ALWAYS

    def all(self) -> list[Statement]:
        self._begin(When.ALWAYS)
        while self.at < len(self.text):
            operator = _END.match(self.text, self.at)
            if operator:
                self._operator(operator[0])
            elif self.text[self.at].isspace():
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                self.words.append(self._word())
        self._finish("\n")
        return self.done

    def _begin(self, when: When) -> None:
        """At the first character of a command: what may stand there and nowhere else."""
        self.when = when
        self.words, self.parts = [], {}
        while (mark := self.text[self.at : self.at + 1]) in (" ", "\t") or (self.batch and mark in ("-", "@")):
            if mark in ("-", "@"):
                self.parts["ignore" if mark == "-" else "silent"] = True
            self.at += 1
        self.start = self.at
        if self.text.startswith("!", self.at):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            self.parts["outside"] = self.text[self.at + 1 : end].strip()
            self.at = end
            if not self.parts["outside"]:
                raise BadLine("a command is missing behind '!'")

    def _operator(self, operator: str) -> None:
        if operator in ("<", ">"):
            self._redirect(operator)
            return
        end = self.at
        self.at += len(operator)
        if operator == "|":
            if not self.words:
                raise BadLine("a command is missing before '|'")
            self.parts["pipe"] = self._raw()
            return
        self._finish(operator, end)
        self._begin({"&&": When.AND, "||": When.OR}.get(operator, When.ALWAYS))

    def _redirect(self, operator: str) -> None:
        if re.search(r"(?:^|\s)\d+\Z", self.text[self.start : self.at]):
            raise BadLine(f"a number right before '{operator}': stdin and stdout alone can be redirected")
        self.at += 1
        append = operator == ">" and self.text.startswith(">", self.at)
        self.at += append
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        if self.at >= len(self.text) or _END.match(self.text, self.at) or self.text[self.at] == "#":
            raise BadLine(f"a file name is missing behind '{operator}'")
        name = "source" if operator == "<" else "target"
        if name in self.parts:
            raise BadLine(f"a second '{operator}' in one command")
        self.parts[name] = str.__str__(self._word())
        if append:
            self.parts["append"] = True

    def _finish(self, operator: str, end: int | None = None) -> None:
        """End the command here."""
        text = self.text[self.start : self.at if end is None else end].strip()
        if not self.words and "outside" not in self.parts:
            if self.parts or operator in ("&", "&&", "||") or (self.when is not When.ALWAYS):
                place = f" before '{operator}'" if operator != "\n" else ""
                raise BadLine(f"a command is missing{place}")
            return
        if "pipe" in self.parts and "target" in self.parts:
            raise BadLine("the output goes through '|' or into a file; write '>' behind the command of sh")
        self.done.append(
            Statement(text, tuple(self.words), self.when, background=operator == "&", **self.parts)  # type: ignore[arg-type]
        )

    def _raw(self) -> str:
        """Everything to the end of what sh is to run, quotes and all."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            char = self.text[self.at]
            depth += {"(": 1, ")": -1}.get(char, 0)
            ends = char == ";" or (char == "&" and self.text[self.at - 1] != ">") or self.text.startswith("||", self.at)
            if char == "\n" or (ends and depth <= 0):
                break
            if char in "'\"\\":
                self._quoted()
            else:
                self.at += 1
        command = self.text[start : self.at].strip()
        if not command:
            raise BadLine("a command is missing behind '|'")
        return command

    def _word(self) -> Word:
        literal, pattern, magic = [], [], False
        self.began = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or _END.match(self.text, self.at):
                break
            if char in "'\"\\":
                for one in self._quoted():
                    literal.append(one)
                    pattern.append(f"[{one}]" if one in _MAGIC else one)
                continue
            magic = magic or char in _MAGIC
            literal.append(char)
            pattern.append(char)
            self.at += 1
        return Word("".join(literal), "".join(pattern) if magic else None)

    def _quoted(self) -> str:
        """What a quotation or an escape at this place means."""
        mark = self.text[self.at]
        self.at += 1
        if mark == "\\":
            if self.at >= len(self.text):
                raise Unfinished("the line ends with a backslash")
            self.at += 1
            return "" if self.text[self.at - 1] == "\n" else self.text[self.at - 1]
        taken: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == mark:
                return "".join(taken)
            if char == "\\" and mark == '"' and self.text[self.at : self.at + 1] in ('"', "\\", "$", "`"):
                char = self.text[self.at]
                self.at += 1
            taken.append(char)
        raise Unfinished(f"the quotation that {mark} opens does not end")
