"""``ftlite mirror``: make one directory like another."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from ftlite.cli import report
from ftlite.cli.filters import meant
from ftlite.cli.flags import CHOOSING, client_flags, flag
from ftlite.cli.look import utc
from ftlite.cli.options import Options
from ftlite.cli.progress import Bars
from ftlite.cli.session import Done, Session, address_of, perform, voice_for
from ftlite.cli.surroundings import here
from ftlite.cli.targets import is_address
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client.address import Address
    from ftlite.client.mirror import Action, Compared, MirrorReport, Policy, Side
    from ftlite.client.mirror import Done as Outcome


@frozen
class Order:
    """What was asked for, beside the common options."""

    delete: bool
    checksum: bool
    links: str
    max_errors: int | None
    exit_unchanged: bool



@click.command()
@click.argument("source")
@click.argument("target")
@client_flags("dry_run", "resume", "parallel", *CHOOSING, "limit_rate", "require", "digest")
@flag("FTLITE", "--delete", is_flag=True, help="Remove from TARGET what SOURCE does not have, last, and only when "
      "SOURCE was listed completely and nothing failed. What is excluded stays.")  # fmt: skip
@flag("FTLITE", "--checksum", is_flag=True, help="Compare files of one size by digest, not by time.")
@flag("FTLITE", "--links", type=click.Choice(["auto", "follow", "skip", "keep"]), default="auto", show_default=True,
      help="What becomes of symbolic links. auto: they are kept where all servers are native; else those to files "
      "travel as files.")  # fmt: skip
@flag("FTLITE", "--max-errors", type=click.IntRange(0), metavar="N", help="Give up when more than N things failed.")
@flag("FTLITE", "--exit-unchanged", is_flag=True, help="Exit code 12 when there is nothing to do.")
@flag("FTLITE", "-R", "--reverse", is_flag=True, help="In a shell, of two words without a host the first is there and "
      "the second here; this turns them round.")  # fmt: skip
def mirror(
    options: Options,
    source: str,
    target: str,
    delete: bool,
    checksum: bool,
    links: str,
    max_errors: int | None,
    exit_unchanged: bool,
    reverse: bool,
) -> Done:
    """Make the directory TARGET like the directory SOURCE. At least one of them is an address.

    A file is copied when it is new, or differs in size or in time (by more than a second, or as exactly as a listing
    tells); it gets the time of its source, so that the next mirror finds nothing to do. Nothing is removed without
    --delete.

    What was interrupted is gone on with: files that are there are not copied again, and begun ones are continued where
    that can be proven (with --continue also where not).
    """
    places = _places(source, target, reverse=reverse)
    addresses = [place for place in places if not isinstance(place, Path)]
    voice = voice_for("mirror", options)
    order = Order(delete, checksum, links, max_errors, exit_unchanged)
    return perform(options, voice, addresses, partial(_mirror, places=places, order=order))


def _places(source: str, target: str, *, reverse: bool) -> list[Address | Path]:
    """What the two words mean: a path here, unless it says its host, or a shell stands on one."""
    words = [source, target]
    remote = [is_address(word) for word in words]
    if not any(remote) and here().stands:
        remote[1 if reverse else 0] = True
    elif reverse:
        raise click.UsageError("--reverse is for two words without a host, in a shell; else their order says it")
    if not any(remote):
        raise click.UsageError("both are here; one of SOURCE and TARGET is an address, as host:path or ftp://host/path")
    return [address_of(word) if there else here().local(word) for word, there in zip(words, remote, strict=True)]


async def _mirror(session: Session, places: list[Address | Path], order: Order) -> None:
    import trio

    from ftlite.client.mirror import RemoteSide, compare

    voice, options = session.voice, session.options
    started = time.monotonic()
    source = await _side(session, places[0])
    # Who copies from server to server needs a connection to either, so the target has its own.
    target = await _side(session, places[1], apart=isinstance(source, RemoteSide))
    keep, chosen = await trio.to_thread.run_sync(meant, options)
    policy = _policy(order, [source, target])
    compared = await compare(
        source,
        target,
        policy if chosen is None else evolve(policy, spared=chosen.only_leads),
        wanted=keep,
        required=sorted(chosen.paths) if chosen is not None else (),
        parallel=options.parallel,
    )
    _tell_plan(voice, compared)
    if options.dry_run:
        for action in compared.plan.actions:
            _would(voice, action)
        done = None
    else:
        done = await _carry_out(session, compared, order, str(places[1]))
    if order.exit_unchanged and not any(compared.plan.actions) and not voice.tally.failures:
        voice.tally.idle = True
    _sum_up(voice, compared, done, str(places[1]), time.monotonic() - started)


async def _side(session: Session, place: Address | Path, *, apart: bool = False) -> Side:
    from ftlite.client.mirror import LocalSide, RemoteSide

    if isinstance(place, Path):
        return LocalSide(place)
    client = await session.client(place, apart=apart)
    return RemoteSide(client, place.path.rstrip("/") or place.path, session.options.parallel)


def _policy(order: Order, sides: list[Side]) -> Policy:
    from ftlite.client.mirror import Links, Policy, RemoteSide

    links = order.links
    if links == "auto":
        remote = [side for side in sides if isinstance(side, RemoteSide)]
        links = "keep" if len(remote) == 1 and remote[0].client.native else "files"
    return Policy(delete=order.delete, checksum=order.checksum, links=Links(links))


def _tell_plan(voice: Voice, compared: Compared) -> None:
    """What both sides came to, before anything is done."""
    from ftlite.client.mirror import Act

    plan = compared.plan
    for note in compared.notes:
        voice.warn(note)
    for path, error in compared.failures.items():
        voice.failed(error, path=path)
    for path in plan.left_out:
        voice.warn(f"{path} was left out: it is no file or directory, and not a link that travels")
        voice.event("skipped", path=path)
    counts = {act.value.replace("-", "_"): 0 for act in Act}
    octets = 0
    for action in plan.actions:
        counts[action.act.value.replace("-", "_")] += 1
        octets += (action.item.size or 0) if action.act is Act.COPY and action.item is not None else 0
    voice.event("plan", **counts, bytes=octets, unchanged=plan.unchanged)


def _fields(action: Action) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": action.path, "reason": action.reason.value}
    item = action.item
    if item is not None:
        fields["size"] = item.size
        fields["target"] = item.target
        fields["modify"] = utc(item.modify_ns) if item.modify_ns is not None and action.act.value == "touch" else None
    return fields


#: act -> (what a dry run says, its event, what a run says, its event)
_WORDS = {
    "make": ("would make", "would-make", "made", "made"),
    "copy": ("would copy", "would-copy", "copied", "file"),
    "link": ("would link", "would-link", "linked", "linked"),
    "touch": ("would set the time of", "would-touch", "set the time of", "touched"),
    "remove": ("would remove", "would-remove", "removed", "removed"),
    "remove-directory": ("would remove", "would-remove", "removed", "removed"),
}


def _would(voice: Voice, action: Action) -> None:
    words, event, _, _ = _WORDS[action.act.value]
    voice.say(f"{words} {action.path} ({action.reason.value})")
    voice.event(event, **_fields(action))


def _tell(voice: Voice, done: Outcome) -> None:
    """One action was done, or failed."""
    action, result = done.action, done.result
    if done.error is not None:
        voice.failed(done.error, path=action.path, reason=action.reason.value)
        return
    _, _, words, event = _WORDS[action.act.value]
    fields = _fields(action)
    if result is None:
        voice.succeeded()
    else:
        verified = result.verified.value
        voice.succeeded(moved=result.moved, verified=verified)
        fields |= {
            "size": result.size, "bytes": result.moved, "offset": result.offset, "skipped": result.skipped,
            "verified": verified, "digest": result.digest, "seconds": round(result.seconds, 6),
        }  # fmt: skip
        words = "had" if result.skipped else words
    voice.event(event, **fields)
    voice.detail(f"{words} {action.path} ({action.reason.value})")


async def _carry_out(session: Session, compared: Compared, order: Order, name: str) -> MirrorReport:
    from ftlite.client.mirror import carry_out

    voice, options = session.voice, session.options
    with Bars(voice) as bars:
        return await carry_out(
            compared,
            parallel=options.parallel,
            max_errors=order.max_errors,
            on_trust=options.resume,
            on_done=partial(_tell, voice),
            progress=bars.track(name),
            notice=voice.detail,
        )


def _sum_up(voice: Voice, compared: Compared, done: MirrorReport | None, name: str, seconds: float) -> None:
    """The last line for people."""
    from ftlite.client.mirror import Act

    counts = done.done if done is not None else {}
    if done is None:
        counts = {act: sum(action.act is act for action in compared.plan.actions) for act in Act}
    told = [
        (counts.get(Act.COPY, 0), "copied"),
        (counts.get(Act.MAKE, 0), "directories made"),
        (counts.get(Act.LINK, 0), "linked"),
        (counts.get(Act.TOUCH, 0), "with their time set"),
        (counts.get(Act.REMOVE, 0) + counts.get(Act.REMOVE_DIRECTORY, 0), "removed"),
        (compared.plan.unchanged, "unchanged"),
        (len(voice.tally.failures), "failed"),
    ]
    if done is not None and done.untried:
        told.append((done.untried, "not tried below what failed"))
    if done is not None and done.spared:
        told.append((done.spared, "not removed, since something failed"))
    words = ", ".join(f"{number:,} {what}" for number, what in told if number) or "nothing there, nothing to do"
    tally = voice.tally
    tally.told = True
    moved = f"; {report.size(tally.moved)} in {seconds:.1f} s" if tally.moved else ""
    verified = f"; verified: {tally.verified}" if tally.verified else ""
    voice.say(f"{name}: {'would be: ' if done is None else ''}{words}{moved}{verified}")
