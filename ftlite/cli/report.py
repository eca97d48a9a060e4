"""How a finished transfer is told, to people and as events; one form for get and put."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftlite.cli.exits import CliError
from ftlite.cli.targets import below
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.cli.filters import Chosen
    from ftlite.client import Transferred, TreeFile, TreeReport
    from ftlite.client.tree import OnFile


def transferred(voice: Voice, result: Transferred, *, path: str, loud: bool) -> None:
    """One file went through. `path` is its remote path; `loud` tells people without their asking for more."""
    voice.succeeded(moved=result.moved, verified=result.verified.value)
    _tell(voice, result, path, voice.say if loud else voice.detail)


def _tell(voice: Voice, result: Transferred, path: str, say: Callable[[str], None]) -> None:
    verified = result.verified.value
    voice.event(
        "file", path=path, local=result.local or None, size=result.size, bytes=result.moved, offset=result.offset,
        skipped=result.skipped, verified=verified, digest=result.digest, seconds=round(result.seconds, 6),
    )  # fmt: skip
    line = f"{path}: {_amount(result)}; verified: {verified}{f' {result.digest}' if result.digest else ''}"
    if result.anew:
        voice.detail(f"{path}: what stood there could not be continued, so it was moved from its beginning")
    say(line)


def teller(voice: Voice, root: str, *, whole: bool) -> OnFile | None:
    """Who is told of each file of the tree at the remote path `root`. `whole`: they all come through or none does,
    so they are named only for those who want to hear it, and counted by `tree`."""
    if not whole:
        return lambda item: tree_file(voice, root, item)
    if not voice.json and not voice.verbose:
        return None

    def named(item: TreeFile) -> None:
        if item.result is not None:
            _tell(voice, item.result, below(root, item.path), voice.detail)

    return named


def tree_file(voice: Voice, root: str, item: TreeFile) -> None:
    """One member of the tree at the remote path `root` is done, or failed."""
    path = below(root, item.path)
    if item.error is not None:
        voice.failed(item.error, path=path)
    elif item.result is not None:
        transferred(voice, item.result, path=path, loud=False)


def tree(voice: Voice, name: str, report: TreeReport, seconds: float) -> None:
    """The last line for people about a tree, after what was left out of it."""
    if report.whole:
        voice.succeeded(report.files, moved=report.moved, verified=report.verified.value)
    for path in report.skipped:
        left_out(voice, path, whole=report.whole)
    if report.left:
        what = _count(report.left, "more entry" if report.skipped else "entry")
        voice.warn(f"{what} left out: not readable for this account, or of a kind that cannot travel")
        voice.event("skipped", count=report.left)
    failed = f", {len(report.failures)} failed" if report.failures else ""
    verified = f"; verified: {report.verified.value}" if report.files else ""
    what = _count(report.files, "file")
    if report.directories:
        what += f" in {_count(report.directories, 'directory')}"
    voice.tally.told = True
    if report.same:
        voice.say(f"{name}: nothing left to do, {what} there already{verified}")
    else:
        voice.say(f"{name}: {what}{failed}, {size(report.moved)} in {seconds:.1f} s{verified}")


def missing(voice: Voice, chosen: Chosen | None) -> None:
    """What --files-from named and is not in the tree."""
    for path in chosen.missing() if chosen is not None else ():
        voice.failed(CliError("NOT_FOUND", f"{path}: --files-from names it, and it is not there"), path=path)


def left_out(voice: Voice, path: str, *, whole: bool = False) -> None:
    """`path` of a tree does not travel. `whole`: the rest of it did, as one."""
    why = "FTP carries files and directories, and links to files as the files"
    if whole:
        why = "it may not be read, or is no file, directory or link within the tree, or its name cannot travel"
    voice.warn(f"{path} was left out: {why}")
    voice.event("skipped", path=path)


def size(count: int) -> str:
    """Bytes for people: ``12.3 MB``."""
    import humanize

    return humanize.naturalsize(count)


def _amount(result: Transferred) -> str:
    if result.skipped:
        return f"nothing left to do, {size(result.size)} there"
    rate = f" ({size(int(result.moved / result.seconds))}/s)" if result.moved and result.seconds > 0 else ""
    resumed = f" after {size(result.offset)} there" if result.offset else ""
    return f"{size(result.moved)} in {result.seconds:.1f} s{rate}{resumed}"


def _count(number: int, thing: str) -> str:
    plural = thing[:-1] + "ies" if thing.endswith("y") else thing + "s"
    return f"{number:,} {thing if number == 1 else plural}"


def removed(voice: Voice, root: str, item: TreeFile) -> None:
    """One member of a tree is gone, or would not go."""
    path = below(root, item.path)
    if item.error is not None:
        voice.failed(item.error, path=path)
    else:
        voice.succeeded()
        voice.event("removed", path=path)
        voice.detail(f"removed {path}")
