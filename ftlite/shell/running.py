"""``jobs``, ``fg``, ``wait``, ``kill``, ``queue``: what runs beside the prompt."""

from __future__ import annotations

import click
import trio

from ftlite.cli.session import Done
from ftlite.cli.voice import Voice
from ftlite.shell.inside import RAW, Words, action, standing
from ftlite.shell.jobs import Job
from ftlite.shell.shell import Shell


@click.command()
def jobs() -> Done:
    """List what runs, what is queued, and what ended lately, with how far it got."""

    async def work(shell: Shell, voice: Voice) -> None:
        for job in shell.jobs:
            if job is not shell.foreground:
                voice.line(f"[{job.number}] {job.state:<10} {job.text}{_progress(job)}")

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

    async def work(shell: Shell, voice: Voice) -> None:
        found = shell.jobs.find(job)
        if found.code is None:
            voice.say(found.text)
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
            shell.enqueue(place, list(command))
        elif parallel is None:
            for job in shell.jobs.background():
                if job.waiting:
                    voice.line(f"[{job.number}] {job.text}")

    return action("queue", work)


async def wait_for_jobs(shell: Shell, words: tuple[str, ...]) -> int:
    """Wait for these jobs, or for all; the first exit code that is not 0. CliError NOT_FOUND."""
    found = [shell.jobs.find(word) for word in words] if words else shell.jobs.background()
    codes = []
    for job in found:
        await job.done.wait()
        assert job.code is not None
        codes.append(job.code)
    return next((code for code in codes if code), 0)


