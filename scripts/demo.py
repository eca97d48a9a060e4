"""The main job, shown: a directory goes to a server over TLS, once, is replaced in one step, and comes back the same.

Only the `ftlite` command is used, as a person would use it. Everything lives in one temporary directory; the server
listens on loopback, on a port that the system chooses, and is stopped at the end whatever happens.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

FTLITE = str(Path(sys.executable).parent / "ftlite")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ftlite-demo-") as directory:
        place = Path(directory)
        original, served, back = place / "album", place / "served", place / "back"
        make_tree(original)
        served.mkdir()
        # Nothing of this demo touches the files of whoever runs it.
        for variable in [name for name in os.environ if name.startswith("FTLITE_")]:
            del os.environ[variable]
        os.environ["XDG_STATE_HOME"] = str(place / "state")

        title("Start a server. A directory is all it needs; certificate and account are made for it.")
        server, facts = start_server(served)
        try:
            there_and_back(original, back, facts)
            title("Stop the server: SIGTERM lets transfers end.")
        finally:
            stop(server)
        print("\nverified: what came back is what was sent, name by name and byte by byte.")
    return 0


def make_tree(root: Path) -> None:
    """A few megabytes with what file names and directories hold in real life."""
    noise = random.Random(2)  # noqa: S311  the same bytes each time, nothing secret
    (root / "Fotos 2026" / "Köln & Größe").mkdir(parents=True)
    (root / "Fotos 2026" / "Köln & Größe" / "Straßenfest.raw").write_bytes(noise.randbytes(3_000_000))
    (root / "Fotos 2026" / "ein Bild mit Leerzeichen.jpg").write_bytes(noise.randbytes(800_000))
    (root / "empty directory").mkdir()
    (root / "empty file").touch()
    (root / "notes.txt").write_text("Grüße aus Köln\n", encoding="utf-8")
    (root / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest.txt").symlink_to("notes.txt")
    for number in range(8):
        (root / f"page {number}.html").write_bytes(noise.randbytes(noise.randrange(100, 90_000)))


def start_server(served: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start `ftlite serve`; the process, and what it printed about how to connect."""
    command = [FTLITE, "serve", str(served), "--listen", "127.0.0.1:0"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    show(command)
    log = (served.parent / "server.log").open("w")
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.stdout is not None
    facts: dict[str, str] = {}
    for line in server.stdout:
        print(line, end="")
        words = line.split()
        if line.startswith("listening on "):
            facts["port"] = words[-1].rpartition(":")[2]
        elif words:
            facts[words[0]] = words[1] if len(words) > 1 else ""
        if words[0] == "ftlite" and "ls" in words:  # the last line: ready
            return server, facts
    server.wait()
    sys.exit(f"the server did not start:\n{(served.parent / 'server.log').read_text()}")


def there_and_back(original: Path, back: Path, facts: dict[str, str]) -> None:
    # The password and the server's key: as environment variables, to keep the lines below short.
    os.environ["FTLITE_PASSWORD"] = facts["password"]
    os.environ["FTLITE_PIN"] = facts["pin"]
    album = f"ftp://{facts['account']}@127.0.0.1:{facts['port']}/album"

    title("Send a directory: one transfer, through the port that the server listens on and no other.")
    run(FTLITE, "put", "-r", "-v", str(original), album)

    title("Send it again: the server has it, byte by byte, so none is sent.")
    told = run(FTLITE, "put", "-r", str(original), album, said=True)
    assert "there already" in told, told

    title("Look at it there.")
    run(FTLITE, "ls", "-lh", album)

    title("Let the server say its digests, and check the local files against them.")
    digests = run(FTLITE, "hash", "-r", album, capture=True)
    names = digests.replace("  album/", "  ")
    run("sha256sum", "--check", "--quiet", "--strict", "-", text=names, cwd=original)
    print(f"{len(names.splitlines())} digests match")

    title("Somebody waits for the next one, which takes the place of the first in one step.")
    version = json.loads(run(FTLITE, "wait", "--json", album, capture=True).splitlines()[0])["version"]
    waiting = [FTLITE, "wait", "--timeout", "1m", "--since", version, album]
    show(waiting, " &")
    with subprocess.Popen(waiting) as waiter:
        (original / "notes.txt").write_text("Grüße aus Bonn\n", encoding="utf-8")
        run(FTLITE, "put", "-r", "--replace", str(original), album)
        show(["wait"])
        if waiter.wait() != 0:
            sys.exit(f"the demo failed: who waits ended with exit code {waiter.returncode}")

    title("Fetch it, and compare.")
    run(FTLITE, "get", "-r", album, str(back))
    run("diff", "-r", str(original), str(back))
    assert os.access(back / "run.sh", os.X_OK), "modes survive"
    assert (back / "latest.txt").is_symlink(), "links survive"


def run(
    *command: str, text: str | None = None, cwd: Path | None = None, capture: bool = False, said: bool = False
) -> str:
    """Show a command, run it, and stop the demo if it fails; its output, or with `said` what it told on stderr."""
    show(list(command))
    out, err = (subprocess.PIPE if capture else None), (subprocess.PIPE if said else None)
    done = subprocess.run(command, input=text, cwd=cwd, text=True, stdout=out, stderr=err, check=False)
    told = (done.stderr if said else done.stdout) or ""
    print(told, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"the demo failed: {command[0]} ended with exit code {done.returncode}")
    return told


def stop(server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(timeout=60)
    except subprocess.TimeoutExpired:
        server.kill()
        raise
    if code != 0:
        sys.exit(f"the demo failed: the server ended with exit code {code}")


def title(text: str) -> None:
    print(f"\n# {text}", flush=True)


def show(command: list[str], after: str = "") -> None:
    words = ["ftlite" if word == FTLITE else shlex.quote(word) for word in command]
    print(f"$ {' '.join(words)}{after}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
