"""How a client is called: a TOML file with a command for each deed, or templates from the command line."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from conformance.client.cases import ClientCase
from conformance.client.play import CERTIFICATES
from conformance.client.record import Deed, Run
from conformance.client.script import PASSWORD, USER
from conformance.registry import Skipped

SHIPPED = Path(__file__).parents[1] / "recipes"
PLACEHOLDERS = (
    "url", "address", "rest", "host", "bracketed", "port", "user", "password", "path", "local", "cacert",
    "patience", "deadline", "home", "python", "recipes",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Recipe:
    """Templates of commands, the environment they want, and files in their home directory.

    `version` is a command whose first line of output names the version.
    """

    name: str
    clear: Mapping[Deed, str] = field(default_factory=dict)
    tls: Mapping[Deed, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    about: str = ""

    def template(self, case: ClientCase, deed: Deed | None = None) -> str:
        """The command for a case; Skipped when the recipe has none."""
        wanted = deed or case.deed
        found = (self.tls if case.tls else self.clear).get(wanted)
        if found is None:
            raise Skipped(f"no command for {'TLS ' if case.tls else ''}{wanted.value}")
        return found

    def installed(self) -> bool:
        """Whether the program that the commands begin with is there."""
        program = shlex.split(next(iter(self.clear.values()), "") or next(iter(self.tls.values())))[0]
        return program == "{python}" or shutil.which(program) is not None

    def shown_version(self) -> str:
        """The first words that its version command prints, "" where there is none."""
        if not self.version:
            return ""
        command = [sys.executable if word == "{python}" else word for word in shlex.split(self.version)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        first = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
        return (
            re.split(r" \(| built on| \| Copyright", first)[0].replace(" | Version", "").replace("\t", " ").rstrip(".")
        )


def load(text: str) -> Recipe:
    """By the name of a shipped recipe, or from a file. ValueError, OSError: there is none, or it is wrong."""
    path = SHIPPED / f"{text}.toml"
    with (path if path.is_file() else Path(text)).open("rb") as file:
        read = tomllib.load(file)
    known = {"about", "version", "clear", "tls", "environment", "files"}
    if unknown := set(read) - known:
        raise ValueError(f"{text}: {', '.join(sorted(unknown))} is none of {', '.join(sorted(known))}")
    return Recipe(
        Path(text).stem,
        _templates(read.get("clear", {})),
        _templates(read.get("tls", {})),
        read.get("environment", {}),
        read.get("files", {}),
        read.get("version", ""),
        read.get("about", ""),
    )


def _templates(table: Mapping[str, str]) -> dict[Deed, str]:
    return {Deed(name): check(template) for name, template in table.items()}


def check(template: str) -> str:
    """The template; ValueError names a placeholder that is none."""
    try:
        template.format_map(dict.fromkeys(PLACEHOLDERS, ""))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{template!r}: {error} is no placeholder; there are {', '.join(PLACEHOLDERS)}") from None
    return template


def shipped() -> list[Recipe]:
    return [load(path.stem) for path in sorted(SHIPPED.glob("*.toml"))]


def values(case: ClientCase, host: str, port: int, place: Path, local: Path, patience: float) -> dict[str, str]:
    """What the placeholders stand for in one run."""
    where = f"[{host}]" if ":" in host else host
    path = quote(os.fsencode(case.path), safe="/")
    rest = f"{where}:{port}/{path}" + ("/" if case.deed in (Deed.LIST, Deed.TREE) and path else "")
    return {
        "url": f"ftp://{USER}:{PASSWORD}@{rest}",
        "address": f"ftp://{USER}@{rest}",
        "rest": f"{USER}:{PASSWORD}@{rest}",
        "host": host, "bracketed": where, "port": str(port), "user": USER, "password": PASSWORD, "path": case.path,
        "local": str(local), "cacert": str(CERTIFICATES / "authority.pem"), "patience": f"{patience:g}",
        "recipes": str(SHIPPED), "deadline": f"{2 * patience:g}", "home": str(place / "home"), "python": sys.executable,
    }  # fmt: skip


def run(recipe: Recipe, template: str, given: Mapping[str, str], work: Path, limit: float) -> Run:
    """Runs the command in `work`, with a home of its own, and kills it after `limit` seconds."""
    command = [word.format_map(given) for word in shlex.split(template)]
    home = Path(given["home"])
    home.mkdir(exist_ok=True)
    for name, text in recipe.files.items():
        (home / name).write_text(text.format_map(given))
        (home / name).chmod(0o600)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    environment = {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    environment |= {name: text.format_map(given) for name, text in recipe.environment.items()}
    begun = time.monotonic()
    if any("\0" in word for word in command):
        raise Skipped("no command can be given a NUL but in a URL")
    try:
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Skipped(f"cannot be run: {error}") from error
    killed = False
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        killed = True
        os.killpg(process.pid, 9)
        out, err = process.communicate()
    return Run(process.returncode, time.monotonic() - begun, killed, out, err)
