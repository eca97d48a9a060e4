"""``python -m tests.fuzz [TARGET...] [--time N]``: search until time is over; each target in a process of its own.

What breaks a target, lets it hang, or takes more and more memory is kept in the corpus and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.mutate import inputs

REPOSITORY = Path(__file__).parents[2]
#: What the guided search knows already; grows from run to run, and is no part of the repository.
GROWN = REPOSITORY / ".fuzz"
_HANGS = 60  #: seconds of one input
_MOST_MIB = 1024  #: of memory
_GROWTH = 96 << 20  #: bytes that may be added after the first tenth of the time, without atheris
_KEPT = 24  #: inputs for each target that --keep puts into the corpus
_KEPT_SIZE = 1024


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing was found, 1 with the input on stderr, and in the corpus, when something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names of the catalogue; all")
    parser.add_argument("--time", type=float, default=3600.0, metavar="SECONDS", help="for all of them together")
    parser.add_argument("--keep", action="store_true", help="put the smallest inputs that reach most into the corpus")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for the search without atheris")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.alone:  # nothing of ftlite may be imported yet: atheris has to see that
        return search(given.targets[0], given.time, given.seed)
    from tests.fuzz.catalogue import ALL

    if unknown := set(given.targets) - set(ALL):
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    names = given.targets or list(ALL)
    whole = sum(ALL[name].share for name in names)
    found = [name for name in names if not _in_a_process(name, given.time * ALL[name].share / whole, given.seed)]
    if given.keep:
        for name in names:
            keep(name)
    print(f"found something in: {', '.join(found)}" if found else "nothing found")
    return 1 if found else 0


def _in_a_process(name: str, seconds: float, seed: int) -> bool:
    """Whether nothing was found. A search that does not end by itself counts as a hang."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--alone", "--time", str(seconds), "--seed", str(seed)]
    grown = GROWN / name
    grown.mkdir(parents=True, exist_ok=True)
    log = GROWN / f"{name}.log"
    began = time.monotonic()
    with log.open("wb") as words, subprocess.Popen(command, cwd=REPOSITORY, stdout=words, stderr=words) as process:
        try:
            code = process.wait(seconds + 2 * _HANGS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = -signal.SIGKILL
    said = log.read_text(errors="replace")
    tried = re.findall(r"(?m)^#(\d+)\s|^\S+: (\d+) inputs", said)
    count = max((int(guided or blind) for guided, blind in tried), default=0)
    print(f"{name}: {count:,} inputs in {time.monotonic() - began:.0f} s{'' if code == 0 else ', BROKEN'}", flush=True)
    if code != 0:
        print(said[-3000:], file=sys.stderr)
    return code == 0


def search(name: str, seconds: float, seed: int) -> int:
    """One target, in this process."""
    if importlib.util.find_spec("atheris") is not None:
        return guided(name, seconds)
    return blind(name, seconds, seed)


def blind(name: str, seconds: float, seed: int) -> int:
    """Mutate seeds at random."""
    from tests.fuzz import catalogue

    target, over = catalogue.ALL[name], time.monotonic() + seconds
    warm, size = time.monotonic() + seconds / 10, 0
    signal.signal(signal.SIGALRM, _hang)
    for count, data in enumerate(inputs((*target.seeds, *catalogue.kept(name)), seed)):
        if time.monotonic() > over:
            print(f"{name}: {count} inputs, nothing found (seed {seed})")
            break
        if time.monotonic() > warm:
            size = size or _resident()
        try:
            signal.alarm(_HANGS)
            target.run(data)
            signal.alarm(0)
            if size:
                assert _resident() < size + _GROWTH, "memory grows"
        except BaseException:
            signal.alarm(0)
            print(f"{name}: input {data!r} (seed {seed}), kept as {save(name, data)}", file=sys.stderr)
            raise
    return 0


def guided(name: str, seconds: float) -> int:
    """Let atheris search by coverage; it prints what it finds, and ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["ftlite"]):
        from tests.fuzz import catalogue
    target = catalogue.ALL[name]
    grown = GROWN / name
    grown.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate((*target.seeds, *catalogue.kept(name))):
        (grown / f"seed{number:03}").write_bytes(seed)

    def run(data: bytes) -> None:
        try:
            target.run(data)
        except BaseException:
            print(f"{name}: input {data!r}, kept as {save(name, data)}", file=sys.stderr, flush=True)
            raise

    options = [f"-max_total_time={max(1, round(seconds))}", f"-timeout={_HANGS}", f"-rss_limit_mb={_MOST_MIB}",
               "-max_len=4096", "-close_fd_mask=0", f"-artifact_prefix={grown}.found-"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(grown)], run)
    atheris.Fuzz()
    return 0


def keep(name: str) -> None:
    """The smallest inputs of what has grown, which libFuzzer keeps for what they reach, go into the corpus."""
    from tests.fuzz import catalogue

    target = catalogue.ALL[name]
    known = {*target.seeds, *catalogue.kept(name)}
    grown = sorted(
        (path.stat().st_size, path.name, path) for path in (GROWN / name).glob("[0-9a-f]*") if path.is_file()
    )
    room = _KEPT - len(catalogue.kept(name))
    for size, called, path in grown:
        if room <= 0 or size > _KEPT_SIZE:
            break
        if path.read_bytes() not in known:
            place = catalogue.CORPUS / name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / called[:12])
            room -= 1


def save(name: str, data: bytes) -> Path:
    """Put an input that broke something where the tests find it."""
    from tests.fuzz import catalogue

    place = catalogue.CORPUS / name
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{catalogue.CRASH}{hashlib.sha256(data).hexdigest()[:12]}"
    with contextlib.suppress(OSError):
        file.write_bytes(data)
    return file


def _hang(_number: int, _frame: object) -> None:
    raise TimeoutError(f"one input takes longer than {_HANGS} s")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
