"""What became of everything that a command, or a whole batch, set out to do: counts, the exit code, one sentence."""

from __future__ import annotations

import time

from attrs import define, field

from ftlite.cli import exits
from ftlite.protocol.text import printable

_WORTH = ("none", "size", "digest")
_NAMED = 10  #: failures that the sentence names


@define(eq=False)
class Tally:
    """A count in the making.

    Attributes:
        done: things done, files mostly.
        files, moved: files that went through, and the bytes that moved for them.
        verified: the least of what was verified; None where no file went through.
        failures: how each thing that failed is told, with its name or "".
        told: a sentence on what was moved was said already.
        idle: there was nothing to do, and somebody asked to be told.
    """

    started: float = field(factory=time.monotonic)
    done: int = 0
    files: int = 0
    moved: int = 0
    verified: str | None = None
    failures: list[tuple[exits.Told, str]] = field(factory=list)
    told: bool = False
    idle: bool = False

    def succeeded(self, count: int, moved: int, verified: str | None) -> None:
        """So many things went well; `verified` when they were files."""
        self.done += count
        self.moved += moved
        if verified is not None:
            self.files += count
            self._least(verified)

    def absorb(self, other: Tally) -> None:
        """Add what another one counted; the failure of a job that was waited for is counted where it happened."""
        self.done += other.done
        self.files += other.files
        self.moved += other.moved
        self.failures += [failure for failure in other.failures if failure[0].outcome != "job"]
        if other.verified is not None:
            self._least(other.verified)

    def _least(self, verified: str) -> None:
        if self.verified is None or _WORTH.index(verified) < _WORTH.index(self.verified):
            self.verified = verified

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    @property
    def code(self) -> int:
        """The exit code of it all: the one that all failures share; 8 when some failed and some did not, or they
        differ; that of a signal before all others."""
        codes = {told.code for told, _ in self.failures}
        for stopped in (exits.INTERRUPTED, exits.TERMINATED):
            if stopped in codes:
                return stopped
        if not codes:
            return exits.UNCHANGED if self.idle else exits.OK
        return exits.CODES["PARTIAL"] if self.done or len(codes) > 1 else codes.pop()

    @property
    def sentence(self) -> str:
        """For people: how many files, how much, how fast, verified how, what failed."""
        import humanize

        seconds = self.seconds
        rate = f" ({humanize.naturalsize(self.moved / seconds)}/s)" if self.moved and seconds > 0 else ""
        text = f"{self.files:,} file{'' if self.files == 1 else 's'}, {humanize.naturalsize(self.moved)}"
        text += f" in {seconds:.1f} s{rate}"
        if self.verified is not None:
            text += f"; verified: {self.verified}"
        return f"{text}; {self.failed}" if self.failures else text

    @property
    def failed(self) -> str:
        """For people: how many failed, and which."""
        names = [printable(name) for _, name in self.failures if name]
        more = len(names) - _NAMED
        listed = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{len(self.failures)} failed" + (f": {listed}" if names else "")
