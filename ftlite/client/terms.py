"""How files move, and what became of one."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from ftlite.client.digests import hasher
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.session import Session
from ftlite.client.success import Verified
from ftlite.client.transfer import Active
from ftlite.movers import Flow, Pace
from ftlite.protocol.entries import Entry

Progress = Callable[[int, int | None], None]


@frozen
class Transferred:
    """What became of one file.

    Attributes:
        remote, local: the two names.
        moved: payload bytes that crossed in this call, repeated ones included.
        size: bytes of the whole file.
        offset: where the last attempt began.
        verified: what the success rests on.
        seconds: from the first command to the verdict.
        digest: "algorithm:hex" of the whole file where it was compared.
        skipped: nothing had to move; what stands there matches already.
        anew: something stood there to be continued, but was of another file, or the server would not go on with it,
            so all of it moved.
        on_trust: nothing proved that the bytes before `offset` are this file's: the server states no digest.
    """

    remote: str
    local: str
    moved: int
    size: int
    offset: int = 0
    verified: Verified = Verified.NONE
    seconds: float = 0.0
    digest: str | None = None
    skipped: bool = False
    anew: bool = False
    on_trust: bool = False


@frozen
class Terms:
    """How files move.

    Attributes:
        resume: continue what an earlier attempt left, as the rule of this file says.
        skip: do not fetch a file again that stands already, by size and time.
        preserve: times and modes travel too.
        require: the least verification that counts; None: the best the server can state without another command
            than SIZE or MLST.
        entry: what is known of the remote file from a listing; None: ask.
        mode: permission bits from a listing, for a server that states them nowhere else.
        algorithm: what native transfers are verified by.
        if_absent: an upload must not replace anything.
        expect: "algorithm:hex" that an upload must have.
        progress: called with (bytes of the file so far, its size or None).
    """

    resume: bool = False
    skip: bool = False
    preserve: bool = True
    require: Verified | None = None
    pace: Pace | None = None
    entry: Entry | None = None
    mode: int | None = None
    algorithm: str = "sha256"
    if_absent: bool = False
    expect: str | None = None
    progress: Progress | None = field(default=None, repr=False)

    def tell(self, size: int) -> None:
        """The whole file is there: some had no byte to move, and would not be counted."""
        if self.progress is not None:
            self.progress(size, size)

    def flow(self, session: Session, active: Active, total: int | None) -> Flow:
        """A `Flow` that keeps `active` and the progress told."""

        def moved(count: int) -> None:
            active.moved = count
            if self.progress is not None:
                self.progress(active.offset + count, total)

        return Flow(stall=session.stall, pace=self.pace, on_moved=moved)


def make_terms(*, require: Verified | str | None, limit_rate: int, digest: str) -> Terms:
    """`Terms` from what `connect` takes.

    Raises:
        ClientError: USAGE: no such verification or digest, or the digest cannot be made here.
    """
    if digest not in ("sha256", "blake3"):
        raise ClientError(Outcome.USAGE, f"transfers are not verified by {digest!r}", remedy="use sha256 or blake3")
    hasher(digest)  # whether it can be had here is better told before anything connects
    try:
        least = Verified(require) if require is not None else None
    except ValueError:
        raise ClientError(Outcome.USAGE, f"{require!r} is no verification", remedy="use digest, size or none") from None
    return Terms(require=least, pace=Pace(limit_rate) if limit_rate else None, algorithm=digest)
