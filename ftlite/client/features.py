"""What a server says it can do (FEAT, RFC 2389 s.3), and what it turned out not to do."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, frozen

from ftlite.protocol.replies import Reply


@frozen
class Features:
    """The lines of a FEAT reply.

    Attributes:
        names: feature name in upper case -> its parameters ("" without); "SITE UTIME" and such are also under
            "SITE", parameters joined by blanks.
    """

    names: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Whether the server offers `name`."""
        return name.upper() in self.names


def parse_features(reply: Reply) -> Features:
    """Read a FEAT reply: one feature a line, between the first and the last line (a one-line reply names none)."""
    names: dict[str, str] = {}
    for line in reply.lines[1:-1]:
        name, _, parameters = line.strip().partition(" ")
        if name:
            key = name.upper()
            names[key] = f"{names[key]} {parameters.strip()}".strip() if key in names else parameters.strip()
    return Features(names)


@define
class Quirks:
    """What a server refused once, so that it is not asked again: all sessions with it share this."""

    no_epsv: bool = False
    no_mlsd: bool = False
    no_list_all: bool = False  #: LIST -a
    no_size: bool = False
    no_mdtm: bool = False
    no_times: bool = False  #: MFMT, or MDTM that sets
    no_chmod: bool = False
