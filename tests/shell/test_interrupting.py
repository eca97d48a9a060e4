"""What Ctrl-C comes to, when what runs does not end at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ftlite.shell.jobs import Job
from ftlite.shell.shell import Shell
from ftlite.shell.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Terminal()


def shell_with(job: Job, done: list[str]) -> Shell:
    """A shell before whose eyes `job` runs; what is asked of it goes to `done`."""

    def interrupt() -> bool:
        done.append("interrupt")
        if not job.hands_over:
            job.scope.cancel()
        return True

    stub = SimpleNamespace(
        foreground=job, interrupt=interrupt, suspend=lambda: done.append("suspend"), say=done.append
    )
    return cast(Shell, stub)


async def test_the_second_says_how_to_force_and_the_third_leaves_it_behind(terminal: Terminal) -> None:
    done: list[str] = []
    job = Job("get x")
    shell = shell_with(job, done)
    for _ in range(3):
        terminal._interrupt(shell)
    assert done[0] == "interrupt"
    assert "Ctrl-C once more leaves it behind" in done[1]
    assert done[2:] == ["suspend"]
    other = Job("get y")
    terminal._interrupt(shell_with(other, done))
    assert done[3:] == ["interrupt"]


async def test_a_program_that_has_the_terminal_hears_it_itself(terminal: Terminal) -> None:
    done: list[str] = []
    job = Job("!vi", hands_over=True)
    for _ in range(3):
        terminal._interrupt(shell_with(job, done))
    assert done == ["interrupt"] * 3
    assert not job.scope.cancel_called
