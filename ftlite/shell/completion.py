"""What a line may go on with: from the line as far as the cursor to the kind of name that is wanted there, and from the
names there are to what is inserted. Pure; whoever asks brings the names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import click
from attrs import evolve, frozen

from ftlite.cli.exits import CliError
from ftlite.protocol.text import printable
from ftlite.shell import table
from ftlite.shell.words import Cut, Word, cut, split


class Kind(Enum):
    """What sort of thing a word names."""

    NOTHING = "nothing"
    COMMAND = "command"
    FLAG = "flag"
    CHOICE = "choice"
    REMOTE = "remote"
    REMOTE_DIRECTORY = "remote directory"
    LOCAL = "local"
    LOCAL_DIRECTORY = "local directory"
    SITE = "site"
    JOB = "job"
    SETTING = "setting"
    ALIAS = "alias"


#: Kinds whose names stand in directories.
PATHS = frozenset({Kind.REMOTE, Kind.REMOTE_DIRECTORY, Kind.LOCAL, Kind.LOCAL_DIRECTORY})
_DIRECTORIES = frozenset({Kind.REMOTE_DIRECTORY, Kind.LOCAL_DIRECTORY})


@frozen
class Name:
    """Something that can stand in a line. `told` says to people what it is."""

    text: str
    directory: bool = False
    told: str = ""


@frozen
class Wanted:
    """What can stand at the cursor.

    Attributes:
        kind: of what sort.
        cut: where.
        before: what of the word stays as it is, such as ``--cacert=``.
        above: of a path, the directory as it was typed, with its '/' at the end.
        typed: what is typed of the name itself.
        names: all that can stand there, where that is known already.
    """

    kind: Kind
    cut: Cut
    before: str = ""
    above: str = ""
    typed: str = ""
    names: tuple[Name, ...] = ()


@frozen
class Insertion:
    """A way to go on.

    Attributes:
        text: what takes the place of `length` characters before the cursor.
        shown, told: for the menu; escaped.
    """

    text: str
    length: int
    shown: str
    told: str = ""


#: What an argument of any command names, by what it is called there.
_BY_NAME: dict[str, Kind] = {
    "address": Kind.REMOTE,
    "source": Kind.REMOTE,
    "target": Kind.REMOTE,
    "path": Kind.REMOTE,
    "remote": Kind.REMOTE,
    "new": Kind.REMOTE,
    "local": Kind.LOCAL,
    "job": Kind.JOB,
    "which": Kind.JOB,
    "command": Kind.COMMAND,
}

#: Where the name of the argument is not enough: (command, argument) -> kind.
_BY_PLACE: dict[tuple[str, str], Kind] = {
    ("open", "address"): Kind.SITE,
    ("cd", "directory_"): Kind.REMOTE_DIRECTORY,
    ("mkdir", "address"): Kind.REMOTE_DIRECTORY,
    ("rmdir", "address"): Kind.REMOTE_DIRECTORY,
    ("lcd", "directory_"): Kind.LOCAL_DIRECTORY,
    ("lls", "arguments"): Kind.LOCAL,
    ("lls", "words"): Kind.LOCAL,
    ("lmkdir", "directory"): Kind.LOCAL_DIRECTORY,
    ("set", "name"): Kind.SETTING,
    ("unset", "name"): Kind.SETTING,
    ("unalias", "name"): Kind.ALIAS,
    ("wait", "words"): Kind.REMOTE,
}


def wanted(text: str, aliases: Mapping[str, str], settings: Callable[[], Mapping[str, click.Option]]) -> Wanted | None:
    """What can stand at the end of `text`; None where nothing is known.

    Args:
        aliases: of the shell, name -> line.
        settings: gives the flags that `set` knows, by their long names.
    """
    at = cut(text)
    if at is None:
        return None
    if at.role == "sh":
        return _path(Kind.LOCAL, evolve(at, start=len(text) + at.start))
    if at.role != "word":
        return _path(Kind.LOCAL, at)
    if not at.words:
        return Wanted(Kind.COMMAND, at, typed=at.typed)
    return _argument(at, _expanded(list(at.words), aliases), settings)


def _expanded(words: list[str], aliases: Mapping[str, str]) -> list[str]:
    seen: set[str] = set()
    while words and words[0] not in seen:
        seen.add(words[0])
        line = aliases.get(words[0]) or table.ALIASES.get(words[0])
        if line is None:
            break
        words = [*split(line), *words[1:]]
    return words


def _argument(
    at: Cut, words: Sequence[str], settings: Callable[[], Mapping[str, click.Option]]
) -> Wanted | None:
    """What can stand behind a command."""
    try:
        command = table.find(words[0])
    except CliError:
        return None
    options = {flag: one for one in command.params if isinstance(one, click.Option) for flag in one.opts}
    standing, awaiting, only_names, first = _read(words[1:], options, command)
    if words[0] == "queue" and standing:  # what is queued is a line of its own
        return _argument(evolve(at, words=tuple(map(Word, words[first:]))), words[first:], settings)
    if awaiting is not None:
        return _value(awaiting, at, "", at.typed)
    if at.typed.startswith("-") and not only_names:
        flag, equals, value = at.typed.partition("=")
        if equals:
            return _value(options[flag], at, f"{flag}=", value) if flag in options else None
        return Wanted(Kind.FLAG, at, typed=at.typed, names=_flags(command))
    if words[0] == "set" and len(standing) == 1:
        option = settings().get(standing[0])
        return _value(option, at, "", at.typed) if option is not None else None
    argument = _positional(command, len(standing))
    if argument is None:
        return None
    kind = _BY_PLACE.get((words[0], argument.name or "")) or _BY_NAME.get(argument.name or "", Kind.NOTHING)
    if isinstance(argument.type, click.Choice):
        return _choice(argument.type, at, "", at.typed)
    if isinstance(argument.type, click.Path) and kind is Kind.NOTHING:
        kind = Kind.LOCAL
    if kind is Kind.NOTHING:
        return None
    if words[0] == "wait" and at.typed.startswith("%"):
        kind = Kind.JOB
    if kind not in PATHS:
        return Wanted(kind, at, typed=at.typed)
    return _path(kind, at)


def _read(
    words: Sequence[str], options: Mapping[str, click.Option], command: click.Command
) -> tuple[list[str], click.Option | None, bool, int]:
    """Names among `words`; the flag that waits for its value; whether only names follow; where the first name is."""
    names: list[str] = []
    awaiting: click.Option | None = None
    only, first = False, 1
    for index, word in enumerate(words, 1):
        if awaiting is not None:
            awaiting = None
        elif only or not word.startswith("-") or word == "-":
            first = index if not names else first
            names.append(word)
            only = only or not command.allow_interspersed_args
        elif word == "--":
            only = True
        elif word.startswith("--"):
            option = options.get(word)
            awaiting = option if option is not None and _takes_value(option) else None
        else:
            for place, letter in enumerate(word[1:], 1):
                option = options.get(f"-{letter}")
                if option is not None and _takes_value(option):
                    awaiting = option if place == len(word) - 1 else None
                    break
    return names, awaiting, only, first


def _takes_value(option: click.Option) -> bool:
    return not option.is_flag and not option.count


def _positional(command: click.Command, index: int) -> click.Argument | None:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    for argument in arguments:
        if argument.nargs < 0 or index < argument.nargs:
            return argument
        index -= argument.nargs
    return None


def _flags(command: click.Command) -> tuple[Name, ...]:
    context = click.Context(command)
    return tuple(
        Name(max(one.opts, key=len), told=(one.help or "").split(". ")[0].rstrip("."))
        for one in command.get_params(context)
        if isinstance(one, click.Option) and not one.hidden
    )


def _value(option: click.Option, at: Cut, before: str, typed: str) -> Wanted | None:
    if isinstance(option.type, click.Choice):
        return _choice(option.type, at, before, typed)
    if option.is_flag:
        return Wanted(Kind.CHOICE, at, before, typed=typed, names=(Name("on"), Name("off")))
    if isinstance(option.type, click.Path):
        return _path(Kind.LOCAL, at, before, typed)
    return None


def _choice(choice: click.Choice[str], at: Cut, before: str, typed: str) -> Wanted:
    return Wanted(Kind.CHOICE, at, before, typed=typed, names=tuple(map(Name, choice.choices)))


def _path(kind: Kind, at: Cut, before: str = "", typed: str | None = None) -> Wanted | None:
    if at.typed.pattern is not None:  # it stands for several names as it is
        return None
    above, slash, name = (at.typed if typed is None else typed).rpartition("/")
    return Wanted(kind, at, before, above + slash, name)


def insertions(text: str, want: Wanted, names: Iterable[Name]) -> list[Insertion]:
    """What `text` can go on with, of `names`: those that begin as what was typed does, or else, but for the case."""
    fitting = [name for name in names if name.text.startswith(want.typed) and _shows(want, name)]
    if not fitting:
        lower = want.typed.lower()
        fitting = [name for name in names if name.text.lower().startswith(lower) and _shows(want, name)]
    return [
        Insertion(_inserted(want, name), len(text) - want.cut.start, _shown(name), printable(name.told))
        for name in sorted(fitting, key=lambda name: name.text)
    ]


def _shows(want: Wanted, name: Name) -> bool:
    if want.kind in _DIRECTORIES and not name.directory:
        return False
    return want.kind not in PATHS or not name.text.startswith(".") or want.typed.startswith(".")


def _shown(name: Name) -> str:
    return printable(name.text) + ("/" if name.directory else "")


def _inserted(want: Wanted, name: Name) -> str:
    """The word with `name` in it, quoted as it was begun; a blank ends it unless more can follow."""
    word = want.before + want.above + name.text + ("/" if name.directory else "")
    if want.kind in PATHS and not want.before and not want.above and word[:1] in ("-", "~"):
        word = f"./{word}"  # else it would be a flag, or a home directory
    mark = want.cut.mark
    end = "" if name.directory or want.kind is Kind.SITE else " "
    if mark == "'" and "'" not in word:
        return f"'{word}" + (f"'{end}" if end else "")
    if mark == '"':
        return '"' + re.sub(r'(["\\$`])', r"\\\1", word) + (f'"{end}' if end else "")
    return escaped(word) + end


_PLAIN = re.compile(r"[^\s'\"\\;&|<>#*?\[!]+")


def escaped(word: str) -> str:
    """`word` so that it means itself in a line, by backslashes where those can do it; what was typed stays a prefix."""
    if "\n" in word:  # behind a backslash a line end means nothing
        return "'" + word.replace("'", "'\\''") + "'"
    return "".join(char if _PLAIN.fullmatch(char) else f"\\{char}" for char in word)


def commands(aliases: Mapping[str, str]) -> list[Name]:
    """All that a line can begin with."""
    rows = [Name(name, told=line) for name, (line, _, _) in table.rows().items()]
    others = {**table.ALIASES, **aliases}
    return rows + [Name(short, told=long) for short, long in others.items() if short not in table.rows()]


def directory_of(want: Wanted, here: str) -> str:
    """The directory that holds what is wanted, seen from `here`."""
    return posixpath.join(here, want.above) if want.above else here
