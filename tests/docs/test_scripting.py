"""The examples of docs/scripting.md and docs/batch.md do what they say, as far as they can be run here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Served, clean_environment, start

DOCS = Path(__file__).parents[2] / "docs"
DEPOT = "ftp://ci@depot.example:2121"


def blocks(page: str, language: str) -> list[str]:
    """The fenced code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), flags=re.M | re.S)


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the account ci."""
    home = tmp_path_factory.mktemp("depot")
    (home / "word").write_text("a word for ci\n")
    server = start(home, "--user", "ci", "--password-file", str(home / "word"))
    yield server
    assert server.stop() == 0


class Place:
    """A directory with something to send, where examples are run."""

    def __init__(self, depot: Served, path: Path) -> None:
        self.depot = depot
        self.path = path
        self.url = f"ftp://ci@127.0.0.1:{depot.port}/{path.name}"
        bin_ = path / "bin"
        bin_.mkdir()
        (bin_ / "ftlite").write_text(f'#!/bin/sh\nexec {sys.executable} -m ftlite "$@"\n')
        (bin_ / "ftlite").chmod(0o755)
        (depot.root / path.name).mkdir()
        for name in ("in", "rel", "app", "backup"):
            (self.root / name).mkdir()
        (path / "dist").mkdir()
        (path / "dist" / "app.bin").write_bytes(b"app\n" * 1000)
        (path / "dist" / "notes").write_text("notes\n")
        self.environment = clean_environment(path) | {
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "FTLITE_PASSWORD": "a word for ci",
            "FTLITE_PIN": depot.fact("pin") or "",
            "GITHUB_SHA": "c0ffee",
            "CI_COMMIT_SHA": "c0ffee",
        }

    @property
    def root(self) -> Path:
        """What the server has."""
        return self.depot.root / self.path.name

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(command), cwd=self.path, env=self.environment, input=text, capture_output=True, text=True,
            check=False, timeout=100,
        )  # fmt: skip

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        return self.run("sh", "-c", script.replace(DEPOT, self.url))


@pytest.fixture
def place(depot: Served, tmp_path: Path) -> Place:
    return Place(depot, tmp_path)


SCRIPTS = {re.search("# (.*)", block)[1]: block for block in blocks("scripting.md", "sh")}  # type: ignore[index]


def test_what_to_do_by_exit_code(place: Place) -> None:
    script = SCRIPTS["what to do about it, by exit code"]
    assert place.sh(script).stdout == "none today\n"
    (place.root / "in" / "orders.csv").write_text("1,2\n")
    assert place.sh(script).stdout == "there are orders\n"
    place.environment["FTLITE_PASSWORD"] = "another"
    assert place.sh(script).returncode == 4


def test_hand_over_wait_and_pull(place: Place) -> None:
    done = place.sh(SCRIPTS["hand over a whole directory in one step, and keep what it was"])
    assert done.returncode == 0, done.stderr
    published = (place.path / "published").read_text()
    for line in (place.path / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert f"{digest}  rel/1.4/{Path(name).name}" in published.replace(f"{place.path.name}/", "")
    assert place.sh(SCRIPTS["one host pushes, another waits and pulls"]).returncode == 0
    assert (place.path / "pulled" / "app.bin").read_bytes() == (place.path / "dist" / "app.bin").read_bytes()


def test_a_stream(place: Place) -> None:
    done = place.sh(SCRIPTS["a stream, through programs, without a file in between"])
    assert sorted(done.stdout.split()) == ["dist/", "dist/app.bin", "dist/notes"]


def test_cron_says_nothing_when_all_is_well(place: Place) -> None:
    script = next(block for name, block in SCRIPTS.items() if "nightly" in name)
    for _ in range(2):
        done = place.sh(script)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (place.path / "dist" / "notes").unlink()
    assert place.sh(script).returncode == 0
    assert sorted(os.listdir(place.root / "backup" / "dist")) == ["app.bin"]


def test_jq(place: Place) -> None:
    script = SCRIPTS["the names of what failed"]
    if shutil.which("jq") is None:
        script = "\n".join(line for line in script.splitlines() if not line.startswith("jq"))
    done = place.sh(script)
    assert done.returncode == 0, done.stderr
    assert '"ok": true' in (place.path / "log.json").read_text()


def test_make(place: Place) -> None:
    (text,) = blocks("scripting.md", "make")
    (place.path / "Makefile").write_text(text.replace(DEPOT, place.url))
    done = place.run("make", "-s", "publish", "fetch")
    assert done.returncode == 0, done.stderr
    assert (place.path / "fetched" / "notes").read_text() == "notes\n"


def test_the_steps_of_ci_jobs(place: Place) -> None:
    github, gitlab = (yaml.safe_load(block) for block in blocks("scripting.md", "yaml"))
    steps = [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step]
    mine = [step for step in steps if step.startswith("ftlite ")]
    assert len(mine) == 3
    push, mark, pull = mine
    pulled = pull.replace(" dist", " pulled")
    for step in (mark, push, pulled, *gitlab["publish"]["script"]):
        done = place.sh(step)
        assert done.returncode == 0, done.stderr
    assert (place.path / "pulled" / "app.bin").exists()
    assert "app/c0ffee/notes" in (place.path / "SHA256SUMS.remote").read_text()


def test_python(place: Place) -> None:
    (program,) = blocks("scripting.md", "python")
    program = program.replace(DEPOT, place.url)
    assert place.run(sys.executable, "-c", program).returncode == 3
    (place.root / "in" / "orders.csv").write_text("1,2\n")
    assert place.run(sys.executable, "-c", program).returncode == 0


def test_the_batch_file(place: Place) -> None:
    text = blocks("batch.md", "")[0]
    (place.root / "build" / "1.4" / "dist").mkdir(parents=True)
    (place.root / "build" / "1.4" / "dist" / "app").write_text("app\n")
    shutil.rmtree(place.path / "dist")
    digest = hashlib.sha256(b"app\n").hexdigest()
    (place.root / "build" / "1.4" / "dist" / "SHA256SUMS").write_text(f"{digest}  dist/app\n")
    batch = text.replace(" /rel", f" /{place.path.name}/rel")
    (place.path / "release.ftlite").write_text(batch)
    done = place.run("ftlite", "batch", "release.ftlite", place.url)
    assert done.returncode == 0, done.stderr
    assert (place.root / "rel" / "1.4" / "app").read_text() == "app\n"
    assert "1.4" in done.stdout
    (place.root / "build" / "1.4" / "dist" / "app").write_text("APP\n")
    shutil.rmtree(place.path / "dist")
    done = place.run("ftlite", "batch", "-", place.url, text=batch)
    assert done.returncode == 1
    assert (place.root / "rel" / "1.4" / "app").read_text() == "app\n"
    assert "stdin, line 4: stopped there, exit code 1" in done.stderr
