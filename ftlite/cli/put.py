"""``ftlite put``: files, a directory with -r, or a stream from stdin."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from ftlite.cli import report
from ftlite.cli.digests import hash_file, parse_expected
from ftlite.cli.exits import CliError
from ftlite.cli.filters import Wanted, meant
from ftlite.cli.flags import TRANSFER, client_flags, flag
from ftlite.cli.options import Options
from ftlite.cli.progress import Bars
from ftlite.cli.session import Done, Session, address_of, perform, voice_for
from ftlite.cli.streams import from_stdin
from ftlite.cli.surroundings import here
from ftlite.cli.targets import STDIO, base_name, below, is_directory
from ftlite.cli.voice import Voice, somebody_types
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address


@frozen
class Terms:
    """What must hold for a put to happen."""

    if_absent: bool
    merge: bool
    replace: bool
    expect: tuple[str, str] | None


@frozen
class Source:
    """Something local that is to be sent, as it was found before anything connected."""

    path: Path
    name: str  #: the last component, whatever way the path was written
    directory: bool = False
    stream: bool = False  #: it is stdin, which has no name
    size: int | None = None


@click.command()
@click.argument("local", nargs=-1)
@click.argument("address")
@client_flags(*TRANSFER)
@flag("FTLITE", "--if-absent", is_flag=True, help="Refuse (exit 9) when the name is taken. A native server decides, "
      "and of two writers one wins; elsewhere the name is looked up before sending, and both can pass.")  # fmt: skip
@flag("FTLITE", "--expect", metavar="sha256:HEX", help="Refuse (exit 7) to send a file whose digest is another one.")
@flag("FTLITE", "--merge", is_flag=True, help="With -r: put into a directory that is there already, file by file.")
@flag("FTLITE", "--replace", is_flag=True, help="With -r: put the new tree in the place of the one that is there, in "
      "one step. Native servers only.")  # fmt: skip
@flag("FTLITE", "--failed", is_flag=True, help="Send nothing: tell those who wait for ADDRESS that it will not come "
      "(they exit with 11). Native servers only.")  # fmt: skip
def put(
    options: Options,
    local: tuple[str, ...],
    address: str,
    if_absent: bool,
    expect: str | None,
    merge: bool,
    replace: bool,
    failed: bool,
) -> Done:
    """Send LOCAL to ADDRESS. Several files, or an ADDRESS that is a directory, keep their own names.

    LOCAL may be '-' for stdin. With -r, ADDRESS is the name that the tree gets; where another tree stands already,
    nothing is sent (exit 9) unless --replace or --merge is given. To a native server a tree goes as one transfer, and
    readers see all of it or nothing.

    The server shows a file under its name when it is there whole, and not before, if it is an ftlite; other servers
    differ.
    """
    if merge and replace:
        raise click.UsageError("--merge and --replace exclude each other")
    unnamed = not local and not failed and here().stands
    if unnamed:
        local, address = (address,), "."
    target = address_of(address)
    terms = Terms(if_absent, merge, replace, parse_expected(expect) if expect else None)
    voice = voice_for("put", options)
    if failed:
        if local:
            raise click.UsageError("--failed sends nothing; leave out LOCAL")
        return perform(options, voice, [target], lambda session: _mark_failed(session, target))
    if not local:
        raise click.UsageError("Missing argument 'LOCAL...'")
    return _put_all(options, voice, local, target, terms, inside=unnamed)


@click.command()
@click.argument("local", nargs=-1, required=True)
@flag("FTLITE", "-O", "--into", metavar="ADDRESS", help="The directory that receives them.")
@client_flags(*TRANSFER)
def mput(options: Options, local: tuple[str, ...], into: str | None) -> Done:
    """Send everything LOCAL, each under its own name, into the directory at --into ADDRESS."""
    if into is None and not here().stands:
        raise click.UsageError("say with --into ADDRESS where they go")
    target = address_of(into or ".")
    return _put_all(options, voice_for("mput", options), local, target, Terms(False, False, False, None), inside=True)


def _put_all(
    options: Options, voice: Voice, local: Sequence[str], target: Address, terms: Terms, *, inside: bool
) -> Done:
    """Send each of `local` to `target`; `inside`: that is a directory."""
    try:
        sources = _sources(options, here().locals(local), target, terms)
    except (CliError, OSError) as error:
        voice.failed(error)
        return voice.close()

    async def work(session: Session) -> None:
        client = await session.client(target)
        for source in sources:
            one = _put_one(session, client, source, target.path, terms, several=inside or len(sources) > 1)
            await session.attempt(one, local=str(source.path))

    return perform(options, voice, [target], work)


async def _mark_failed(session: Session, target: Address) -> None:
    client = await session.client(target)
    await client.mark_failed(target.path)
    session.voice.succeeded()
    session.voice.event("failed", path=target.path)
    session.voice.say(f"{target.path}: marked as failed")


def _sources(options: Options, local: Sequence[str], target: Address, terms: Terms) -> list[Source]:
    """What is to be sent. Refuses what cannot work before anything connects; OSError for what is not there."""
    if terms.expect and (len(local) > 1 or options.recursive):
        raise click.UsageError("--expect is about one file; put files one by one to state a digest for each")
    if STDIO in local:
        if len(local) > 1 or options.recursive or options.resume:
            raise click.UsageError("'-' stands alone: stdin is one file, from its beginning")
        if not base_name(target.path) or target.path.endswith("/"):
            raise click.UsageError("stdin has no name; write the file's name into the address")
        return [Source(Path(STDIO), STDIO, stream=True)]
    sources = [_source(text, options.recursive) for text in local]
    names: dict[str, Source] = {}
    for source in sources:
        other = names.setdefault(source.name, source)
        if not os.path.samefile(other.path, source.path):
            raise click.UsageError(f"{other.path} and {source.path} have the same name; put one under another name")
    return sources


def _source(text: str, recursive: bool) -> Source:
    found = os.stat(text)
    directory = stat.S_ISDIR(found.st_mode)
    if directory and not recursive:
        raise click.UsageError(f"{text} is a directory; -r sends it with all below it")
    if not directory and not stat.S_ISREG(found.st_mode):
        raise click.UsageError(f"{text} is neither a file nor a directory; '-' sends a stream")
    return Source(Path(text), os.path.basename(os.path.abspath(text)), directory, size=found.st_size)


async def _put_one(
    session: Session, client: Client, source: Source, path: str, terms: Terms, *, several: bool
) -> None:
    """Find out what `path` means for `source`, and send it there."""
    unnamed = several or not base_name(path)
    if source.directory:
        await _put_tree(session, client, source, below(path, source.name) if unnamed else path.rstrip("/"), terms)
        return
    if unnamed or path.endswith("/"):
        path = below(path, source.name)
    if client.native and not session.options.dry_run:
        await _put_at_once(session, client, source, path, terms)
        return
    found = await _find(client, path)
    if found is not None and is_directory(found):
        path = _inside(source, path)
        found = await _find(client, path) if terms.if_absent else None
    if terms.if_absent and found is not None:
        raise _taken(path)
    await _put_file(session, client, source, path, terms)


async def _put_at_once(session: Session, client: Client, source: Source, path: str, terms: Terms) -> None:
    """Put without a look at what is there: a native server refuses to replace a directory, before anything moves."""
    from ftlite.client import ClientError, Outcome

    try:
        await _put_file(session, client, source, path, terms)
    except ClientError as error:
        if error.outcome is not Outcome.EXISTS:
            raise
        found = await _find(client, path)
        if found is None or not is_directory(found):
            raise (_taken(path) if terms.if_absent else error) from error
        path = _inside(source, path)
        try:
            await _put_file(session, client, source, path, terms)
        except ClientError as second:
            if second.outcome is Outcome.EXISTS and terms.if_absent:
                raise _taken(path) from second
            raise


def _inside(source: Source, path: str) -> str:
    """Where `source` goes when `path` is a directory."""
    if source.stream:
        raise CliError("USAGE", f"{path} is a directory, and stdin has no name; write the file's name too")
    return below(path, source.name)


def _taken(path: str) -> CliError:
    return CliError("EXISTS", f"{path} is there already; leave out --if-absent to replace it")


async def _find(client: Client, path: str) -> Entry | None:
    """What stands at `path`; None when nothing does."""
    from ftlite.client import ClientError, Outcome

    try:
        return await client.stat(path)
    except ClientError as error:
        if error.outcome is Outcome.NOT_FOUND:
            return None
        raise


async def _put_tree(session: Session, client: Client, source: Source, path: str, terms: Terms) -> None:
    import trio

    voice, options = session.voice, session.options
    keep, chosen = await trio.to_thread.run_sync(meant, options)
    may_stand = terms.merge or terms.replace or client.native or options.resume  # a native server judges by content
    if (terms.if_absent or not may_stand) and await _find(client, path) is not None:
        if terms.if_absent:
            raise _taken(path)
        raise CliError("EXISTS", f"{path} is there already; --merge puts into it, file by file")
    whole = client.takes_whole(path)
    if options.dry_run:
        files = _as_one if whole else _by_file
        _dry_run(voice, source.path, path, files(voice, source.path, keep))
        report.missing(voice, chosen)
        return
    started = time.monotonic()
    with Bars(voice) as bars:
        done = await client.put_tree(
            source.path,
            path,
            resume=options.resume,
            wanted=keep,
            on_file=report.teller(voice, path, whole=whole),
            progress=bars.track(base_name(path)),
            replace=terms.replace,
            merge=terms.merge,
        )
    report.missing(voice, chosen)
    report.tree(voice, path, done, time.monotonic() - started)


#: (path relative to the tree, size)
Files = Iterator[tuple[str, int | None]]


def _dry_run(voice: Voice, root: Path, path: str, files: Files) -> None:
    """Say what a put of the tree would do, by the same look at the disk."""
    for relative, size in files:
        voice.say(f"would put {root / relative} to {below(path, relative)}")
        voice.event("would-put", local=str(root / relative), path=below(path, relative), size=size)


def _by_file(voice: Voice, root: Path, keep: Wanted | None) -> Files:
    """The files and directories of a tree that goes file by file; what is left out is told."""
    from ftlite.client.tree import scan_local

    pending = [""]
    while pending:
        directory = pending.pop(0)
        for entry in scan_local(root / directory)[0]:
            relative = f"{directory}/{entry.name}".lstrip("/")
            if keep is not None and not keep(relative, is_directory(entry)):
                continue
            if is_directory(entry):
                pending.append(relative)
            elif entry.kind is not Kind.FILE:
                report.left_out(voice, relative)
                continue
            yield relative, entry.size


def _as_one(voice: Voice, root: Path, keep: Wanted | None) -> Files:
    """The files and directories of a tree that travels as one, in which links are links; what is left out is told."""
    from ftlite.trees import EntryKind, Walk

    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with closing(Walk(top, wanted=keep)) as walk:
            for entry, fd in walk:
                if fd >= 0:
                    os.close(fd)
                if entry.kind is not EntryKind.LINK:
                    yield os.fsdecode(entry.path), entry.size if entry.kind is EntryKind.FILE else None
        for name in walk.left_out.names:
            report.left_out(voice, name, whole=True)
    finally:
        os.close(top)


async def _put_file(session: Session, client: Client, source: Source, path: str, terms: Terms) -> None:
    voice, options = session.voice, session.options
    if options.dry_run:
        await _expected(source, terms)
        voice.say(f"would put {source.path} to {path}")
        voice.event("would-put", local=str(source.path), path=path, size=source.size)
        return
    typed = source.stream and voice.stdin is None and somebody_types()  # a bar would be drawn over what is typed
    with Bars(voice, False if typed else None) as bars:
        step = bars.track(base_name(path))
        expect = ":".join(terms.expect) if terms.expect else None
        if source.stream:
            result = await client.put_stream(
                from_stdin(voice), path, progress=step, if_absent=terms.if_absent, expect=expect
            )
        else:
            result = await client.put(
                source.path, path, resume=options.resume, progress=step, if_absent=terms.if_absent, expect=expect
            )
    report.transferred(voice, result, path=path, loud=True)


async def _expected(source: Source, terms: Terms) -> None:
    """What a dry run can say of --expect. ClientError INTEGRITY."""
    import trio

    from ftlite.client.digests import compare

    if terms.expect and not source.stream:
        found = await trio.to_thread.run_sync(hash_file, source.path, terms.expect[0])
        compare(str(source.path), *terms.expect, found)
