"""What a user may do below a path prefix, as flags, and the words that configuration uses for them."""

from __future__ import annotations

import enum


class Right(enum.Flag):
    """One thing a rule can allow. A rule names any number of them."""

    NONE = 0
    LIST = enum.auto()  #: see names and facts (LIST, NLST, MLSD, MLST, SIZE, MDTM, CWD)
    GET = enum.auto()  #: read contents (RETR, HASH)
    PUT = enum.auto()  #: publish a new name
    OVERWRITE = enum.auto()  #: publish over an existing file, append to it
    DELETE = enum.auto()  #: remove a file
    RENAME = enum.auto()  #: take a name away from here, or bring one here by rename
    MKDIR = enum.auto()  #: make a directory
    RMDIR = enum.auto()  #: remove an empty directory
    META = enum.auto()  #: change times and modes


READ = Right.LIST | Right.GET
WRITE = Right.PUT | Right.OVERWRITE | Right.DELETE | Right.RENAME | Right.MKDIR | Right.RMDIR | Right.META
ALL = READ | WRITE

WORDS: dict[str, Right] = {
    **{right.name.lower(): right for right in Right if right.name},
    "none": Right.NONE,
    "read": READ,
    "write": WRITE,
    "all": ALL,
}


def parse_rights(words: str) -> Right:
    """Turn ``"list get"`` (words from `WORDS`, separated by spaces or commas) into flags.

    Raises:
        ValueError: a word is unknown; the message names it and all that are known.
    """
    rights = Right.NONE
    for word in words.replace(",", " ").split():
        if word.lower() not in WORDS:
            raise ValueError(f"unknown right {word!r}: choose from {', '.join(WORDS)}")
        rights |= WORDS[word.lower()]
    return rights


def format_rights(rights: Right) -> str:
    """The shortest words for `rights`, such that `parse_rights` gives them back."""
    if rights == ALL:
        return "all"
    if rights == Right.NONE:
        return "none"
    words = []
    for group, word in ((READ, "read"), (WRITE, "write")):
        if rights & group == group:
            words.append(word)
            rights &= ~group
    return " ".join(words + [right.name.lower() for right in Right if right in rights and right.name])
