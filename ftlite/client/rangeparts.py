"""Where a download in several streams grows: a part with holes, and beside it what of it is there. All calls block.

What is there is written as a link that leads nowhere (see `parts`), and after the octets themselves are on the disk: a
hole that is taken for content would be found by nobody where the server states no digest.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from attrs import define

from ftlite.client.parts import DownloadPart, journal_path
from ftlite.client.shares import Range, read_ranges, write_ranges

_MOST = 4000  # octets in a link


@define(eq=False)
class RangesPart:
    """An open, locked part with holes.

    Attributes:
        there: what of it is content.
    """

    part: DownloadPart
    version: str
    there: list[Range]

    @classmethod
    def open(cls, target: Path, size: int, version: str, *, resume: bool) -> RangesPart:
        """Open it; what stands in it is kept with `resume`, when it is of this `version` (without '+').

        Raises:
            ClientError: as `DownloadPart.open`.
        """
        part = DownloadPart.open_with_holes(target)
        try:
            held = ""
            with suppress(OSError):
                held = os.readlink(journal_path(part.path))
            was, _, ranges = held.partition("+")
            there = read_ranges(ranges, size) if resume and was == version and part.offset <= size else None
            if not there or there[-1][1] > part.offset:
                part.begin_anew()
                with suppress(OSError):
                    os.unlink(journal_path(part.path))
                there = []
            return cls(part, version, there)
        except BaseException:
            part.release()
            raise

    @property
    def fd(self) -> int:
        """To write into, at any offset."""
        return self.part.fd

    def note(self, there: list[Range]) -> None:
        """Write down what is there. Where that cannot be done, a resume begins anew, that is all."""
        with suppress(OSError):
            os.fdatasync(self.fd)
            while len(text := f"{self.version}+{write_ranges(there)}") > _MOST:
                there = there[:-1]
            beside = journal_path(self.part.path).with_suffix(".ftlite-version")
            with suppress(FileNotFoundError):
                os.unlink(beside)
            os.symlink(text, beside)
            os.replace(beside, journal_path(self.part.path))

    def publish(self, *, modify_ns: int | None, mode: int | None) -> None:
        """All of it is there and verified: give it its name. ClientError as `DownloadPart.publish`."""
        with suppress(FileNotFoundError):
            os.unlink(journal_path(self.part.path))
        self.part.publish(modify_ns=modify_ns, mode=mode)

    def close(self, there: list[Range], *, keep: bool) -> None:
        """Let go after a failure; with `keep` what is there is for a resume."""
        if keep and there:
            self.note(there)
        else:
            with suppress(OSError):
                os.unlink(journal_path(self.part.path))
        self.part.close(keep=keep and bool(there))

    def release(self) -> None:
        """Close the descriptor, and the lock with it."""
        self.part.release()

