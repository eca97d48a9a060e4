"""What a client may do: told from its exit, the wire and the disk. Each raises Failed with what it did instead."""

from __future__ import annotations

import os
from urllib.parse import quote

from conformance.client.cases import Judge
from conformance.client.record import Deed, Seen
from conformance.registry import Failed, Skipped


def succeeded(seen: Seen) -> None:
    """Exit 0, and all bytes are where they belong."""
    ended(seen)
    if seen.run.exit != 0:
        raise Failed(f"exit {seen.run.exit}: {seen.run.last_words}")
    whole(seen)


def ended(seen: Seen) -> None:
    if seen.run.killed:
        raise Failed(f"did not end by itself within {seen.run.seconds:.0f} s")
    if seen.run.exit < 0:
        raise Failed(f"crashed: ended by signal {-seen.run.exit}")


def whole(seen: Seen) -> None:
    """What the client says it did was done."""
    if seen.deed is Deed.PUT:
        kept = seen.record.stored
        if seen.content not in kept.values():
            got = f"{len(next(iter(kept.values())))} octets" if kept else "nothing"
            raise Failed(f"exit 0, but the server got {got} instead of the {len(seen.content)} octets sent")
    elif seen.deed is Deed.TREE:
        _whole_tree(seen)
    elif seen.deed is not Deed.LIST and seen.left != seen.content:
        have = "no file stands here" if seen.left is None else _differs(seen.left, seen.content)
        raise Failed(f"exit 0, but {have}")


def _whole_tree(seen: Seen) -> None:
    for path, content in seen.script.files.items():
        name = os.fsdecode(path.removeprefix(b"/tree/"))
        if path.startswith(b"/tree/") and seen.tree.get(name) != content:
            raise Failed(f"exit 0, but {name} is " + ("wrong" if name in seen.tree else "missing"))


def _differs(left: bytes, content: bytes) -> str:
    if len(left) != len(content):
        return f"the file has {len(left)} of {len(content)} octets"
    return "the file has other octets than the server sent"


def refused(seen: Seen) -> str | None:
    """Ends by itself and says so by its exit. A partial file under the name is remarked, and judged elsewhere."""
    ended(seen)
    if seen.run.exit == 0:
        raise Failed(_false_success(seen))
    return _stands(seen).removeprefix(", and ") or None


def _false_success(seen: Seen) -> str:
    if seen.left is not None and seen.left == seen.content:
        return "exit 0 though the server did not confirm it; the octets are all there"
    return "exit 0 for what did not happen" + _stands(seen)


def _stands(seen: Seen) -> str:
    if seen.left is not None:
        return f", and {len(seen.left)} octets stand under the name"
    return ""


def truthful(seen: Seen) -> str | None:
    """Either outcome is good that is told as it is."""
    ended(seen)
    if seen.run.exit != 0:
        return f"gives up: {seen.run.last_words}"
    whole(seen)
    return None


def nothing_partial(seen: Seen) -> None:
    """After a failure nothing that is not whole stands under the name, and what stood there before still does."""
    refused(seen)
    if seen.left is not None and seen.left != seen.content:
        raise Failed(f"{len(seen.left)} octets stand under the name, of {len(seen.content)}")


def kept_old(old: bytes) -> Judge:
    def judge(seen: Seen) -> None:
        refused(seen)
        if seen.left != old:
            have = "it is gone" if seen.left is None else f"{len(seen.left)} other octets stand there"
            raise Failed(f"the file that stood under the name was given up for nothing: {have}")

    return judge


def after(verb: str, judge: Judge) -> Judge:
    """Judges clients that use `verb`; others are skipped."""

    def when_used(seen: Seen) -> str | None:
        if not seen.record.lines(verb):
            raise Skipped(f"the client does not send {verb}")
        return judge(seen)

    return when_used


def both(*judges: Judge) -> Judge:
    def judge(seen: Seen) -> str | None:
        remarks = [one(seen) for one in judges]
        return next((remark for remark in remarks if remark), None)

    return judge


def names_told(seen: Seen) -> None:
    """Exit 0, and every name of the listing is in the output."""
    ended(seen)
    if seen.run.exit != 0:
        raise Failed(f"exit {seen.run.exit}: {seen.run.last_words}")
    entries = seen.script.listed(seen.script.home) or []
    # wget shows a listing as HTML, with names as they stand in links.
    forms = {entry.name: (entry.name, quote(entry.name).encode()) for entry in entries}
    missing = [name for name, ways in forms.items() if not any(way in seen.run.out for way in ways)]
    if missing:
        raise Failed(f"exit 0, but {len(missing)} of {len(entries)} names are not told, such as {missing[0]!r}")


def contained(seen: Seen) -> str | None:
    """Nothing was written outside of the directory that the client was given."""
    ended(seen)
    if seen.strays:
        raise Failed(f"wrote outside of its directory: {', '.join(seen.strays)}")
    return f"exit {seen.run.exit}"


def not_misled(seen: Seen) -> str | None:
    if seen.record.misled:
        raise Failed("connected to the address that the server named, which is not the server's")
    ended(seen)
    return None if seen.run.exit == 0 else f"exit {seen.run.exit}: {seen.run.last_words}"


def nothing_in_clear(seen: Seen) -> None:
    """Refused, and neither name nor password nor file left in clear."""
    for verb in ("USER", "PASS", "RETR", "STOR"):
        if any(not line.secured for line in seen.record.lines(verb)):
            raise Failed(f"sent {verb} in clear though told to insist on TLS")
    if any(not data.secured for data in seen.record.data):
        raise Failed("moved data in clear though told to insist on TLS")
    refused(seen)


def no_login(seen: Seen) -> None:
    """Refused before name and password were sent at all."""
    if said := [line.verb for line in seen.record.heard if line.verb in ("USER", "PASS")]:
        raise Failed(f"sent {said[0]} to a server that it cannot trust")
    refused(seen)
