"""``jobs``, ``fg``, ``wait``, ``kill``, ``queue``: what runs beside the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import click
import trio

from ftlite.cli.exits import CliError, Told
from ftlite.cli.run import parse_command
from ftlite.cli.session import Done
from ftlite.cli.voice import Voice
from ftlite.cli.wait import wait as published
from ftlite.shell.inside import RAW, Words, action, standing
from ftlite.shell.jobs import Job
from ftlite.shell.place import Here
from ftlite.shell.shell import Shell


@click.command()
def jobs() -> Done:
    """List what runs, what is queued, and what ended lately, with how far it got."""

    async def work(shell: Shell, voice: Voice) -> None:
        for job in shell.jobs:
            voice.line(f"[{job.number}] {job.state:<11} {job.text}{_progress(job)}")

    return action("jobs", work)


def _progress(job: Job) -> str:
    if job.voice is None or job.code is not None:
        return ""
    from ftlite.cli.report import size

    told = []
    for name, (done, total) in job.voice.under_way.items():
        of = f" of {size(total)} ({100 * done // total} %)" if total else ""
        told.append(f"{name}: {size(done)}{of}")
    return f"  {'; '.join(told[:3])}" if told else ""


@click.command()
@click.argument("job", required=False)
def fg(job: str | None) -> Done:
    """Wait for JOB (%1 or 1), or the newest in the background, before one's eyes: Ctrl-C then ends it."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        _in_front(place, "fg")
        found = shell.jobs.find(job)
        if found.code is None:
            voice.say(found.text)
            found.look_on()
            await shell.watch(found)

    return action("fg", work)


@click.command()
@click.argument("which", nargs=-1, metavar="[JOB]...|all")
def kill(which: tuple[str, ...]) -> Done:
    """End jobs: %1, 1, or all. What was moved so far can be continued."""

    async def work(shell: Shell, voice: Voice) -> None:
        ended = shell.jobs.background() if "all" in which else [shell.jobs.find(word) for word in which or (None,)]
        for one in ended:
            one.scope.cancel()
        with trio.move_on_after(10):
            for one in ended:
                await one.done.wait()

    return action("kill", work)


@click.command(context_settings=RAW)
@click.argument("command", nargs=-1, type=Words, metavar="[COMMAND]...")
@click.option("-P", "--parallel", type=click.IntRange(1, 64), metavar="N", help="So many run at once from now on; 1.")
def queue(command: tuple[str, ...], parallel: int | None) -> Done:
    """Run COMMAND in the background as soon as those queued before it have ended; without one, list the queue."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        if parallel is not None:
            shell.jobs.queue.total_tokens = parallel
        if command:
            if place.out is not None or place.stdin is not None:
                raise CliError("USAGE", "what is queued cannot be redirected; write '&' behind such a command instead")
            shell.enqueue(place, list(command))
        elif parallel is None:
            for job in shell.jobs.background():
                if job.waiting:
                    voice.line(f"[{job.number}] {job.text}")

    return action("queue", work)


@click.command(context_settings={**RAW, "help_option_names": []})
@click.argument("words", nargs=-1, type=Words)
def wait(words: tuple[str, ...]) -> Done:
    """Wait for jobs, %1 or 1, or for all of them; or for what is published at an address, as on the command line."""
    place = standing()
    if words and not all(word.removeprefix("%").isdigit() for word in words):
        done: Done = parse_command(published, "wait", words, place)
        return done

    async def work(shell: Shell, voice: Voice) -> None:
        _in_front(place, "wait")
        for job in await wait_for_jobs(shell, words):
            voice.tally.failures.append((Told("it failed", "job", job.code or 0), job.text))

    return action("wait", work)


def _in_front(place: Here, name: str) -> None:
    """A job that waits for jobs might wait for itself. CliError USAGE."""
    if not place.foreground:
        raise CliError("USAGE", f"{name} waits for jobs, and is none itself: leave out '&' or 'queue'")


async def wait_for_jobs(shell: Shell, words: Sequence[str] = ()) -> list[Job]:
    """Wait for these jobs, or for all; those that failed, which counts them as waited for. CliError NOT_FOUND."""
    found = [shell.jobs.find(word) for word in words] if words else [*shell.jobs.unwaited, *shell.jobs.background()]
    for job in found:
        await job.done.wait()
        if job in shell.jobs.unwaited:
            shell.jobs.unwaited.remove(job)
    return [job for job in found if job.code]
