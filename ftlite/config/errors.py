"""What is wrong with a configuration, said so that its author can mend it."""

from __future__ import annotations

from pathlib import Path


class ConfigError(Exception):
    """A file, or a value in it, that cannot be used.

    Attributes:
        file: where it was found; None when it came from elsewhere (the command line).
        key: the dotted key ("limits.idle", "users[2].rules[0].allow"); empty when the file as a whole is meant.
        message: one sentence: what is wrong, and what would be right.
    """

    def __init__(self, file: Path | None, key: str, message: str) -> None:
        super().__init__(": ".join(part for part in (str(file) if file else "", key, message) if part))
        self.file = file
        self.key = key
        self.message = message
