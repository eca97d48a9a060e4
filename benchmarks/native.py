"""The native dialect beside what people use instead: whole commands, as they are typed, in turn.

lftp mirrors from and to vsftpd, tar goes to tar through a pipe, curl is followed by sha256sum on both sides; ftlite
talks to ftlite. All in clear unless said otherwise, so that nobody pays for encryption alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median

import trio
from attrs import frozen

from benchmarks.measures import Row
from benchmarks.process import peak, process_peak
from benchmarks.relay import far_away
from benchmarks.stage import SMALL_FILES, Stage
from ftlite import connect
from tests.peers.servers import Running, Tls

SMALL = 4096
Deed = Callable[[], object]


class Failed(Exception):
    """A command did not end with 0; the text is what it said."""


def shell(*words: str | Path, **more: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(
        [str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | more,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        raise Failed(f"{' '.join(map(str, words))}: {done.returncode}: {said[-500:]}")


def ftlite(server: Running, *words: str | Path, **more: str) -> None:
    """An ftlite client command towards `server`."""
    if server.tls is not Tls.OFF:
        assert server.certificate is not None
        more |= {"FTLITE_CACERT": str(server.certificate.authority)}
    tls = "off" if server.tls is Tls.OFF else "required"
    shell(sys.executable, "-m", "ftlite", *words, FTLITE_PASSWORD=server.password, FTLITE_TLS=tls, **more)


def url(server: Running, path: str) -> str:
    return f"ftp://{server.user}@{server.host}:{server.port}/{path}"


def lftp(server: Running, commands: str) -> None:
    """lftp's commands after logging in to `server`."""
    settings = "set net:max-retries 1; set ftp:ssl-allow no; set cmd:fail-exit yes"
    login = f"open -u {server.user},{server.password} ftp://{server.host}:{server.port}"
    shell("lftp", "--norc", "-c", f"{settings}; {login}; {commands}")


def timed(deed: Deed) -> float:
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


def in_turn(rounds: int, deeds: dict[str, tuple[Deed, Deed]]) -> dict[str, float]:
    """Median seconds of each deed, rounds interleaved; the second of a pair cleans up and is not counted."""
    took: dict[str, list[float]] = {name: [] for name in deeds}
    for _ in range(rounds):
        for name, (deed, clean) in deeds.items():
            clean()
            took[name].append(timed(deed))
            clean()
    return {name: median(values) for name, values in took.items()}


def _gone(*paths: Path) -> Deed:
    def clean() -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    return clean


@contextmanager
def _passing(*paths: Path) -> Iterator[None]:
    """None of them is there before, nor behind, however it ends."""
    clean = _gone(*paths)
    clean()
    try:
        yield
    finally:
        clean()


def make_tree(root: Path, count: int) -> None:
    """`count` files of 4 KiB, a hundred in each directory."""
    block = os.urandom(SMALL)
    for number in range(count):
        place = root / f"d{number // 100:04}"
        if number % 100 == 0:
            place.mkdir(parents=True)
        (place / f"file{number:06}").write_bytes(number.to_bytes(8, "big") + block[8:])


def trees(stage: Stage) -> Iterator[Row]:
    """A tree there and back, by whole commands and in a session that stands; tar through a pipe shows what there is to
    win at most."""
    yield from _trees(stage, _TreeGoal(5000, 5))
    yield from trio.run(_trees_in_a_session, stage, 5000)
    yield from _trees(stage, _TreeGoal(20000, 10, tar=4))


@frozen
class _TreeGoal:
    """How many times as fast as lftp a tree of `count` files is to be, and within how many times of tar's time.

    tar measures the codec, so it is a goal where the start of an interpreter is no great part of the time.
    """

    count: int
    lftp: int
    tar: int | None = None


def _trees(stage: Stage, goal: _TreeGoal) -> list[Row]:
    ours, peer = stage.servers["ftlite", Tls.OFF], stage.servers["vsftpd", Tls.OFF]
    tree, back, copied = stage.directory / "tree", stage.directory / "back", stage.directory / "tar"
    there, theirs = ours.root / "t", peer.root / "t"

    def tar() -> None:
        shell("sh", "-c", f"mkdir '{copied}' && tar -C '{tree}' -cf - . | tar -C '{copied}' -xf -")

    def put() -> None:
        ftlite(ours, "put", "-r", "-q", tree, url(ours, "t"))

    def get() -> None:
        ftlite(ours, "get", "-r", "-q", url(ours, "t"), back)

    def mirror_up() -> None:
        lftp(peer, f"mirror -R -P4 {tree} t")

    def mirror_down() -> None:
        lftp(peer, f"mirror -P4 t {back}")

    rounds = 2 if stage.quick else 3
    limit: dict[str, tuple[Deed, Deed]] = {"tar": (tar, _gone(copied))}
    with _passing(tree, there, theirs, back, copied):
        make_tree(tree, goal.count)
        up = in_turn(rounds, limit | {"ftlite": (put, _gone(there)), "lftp": (mirror_up, _gone(theirs))})
        put()
        mirror_up()
        down = in_turn(rounds, limit | {"ftlite": (get, _gone(back)), "lftp": (mirror_down, _gone(back))})
    return [_tree_row("put", up, goal), _tree_row("get", down, goal)]


async def _trees_in_a_session(stage: Stage, count: int) -> list[Row]:
    """As `_trees`, but without the start of an interpreter and a login; lftp starts in 20 ms, and is run whole."""
    ours, peer = stage.servers["ftlite", Tls.OFF], stage.servers["vsftpd", Tls.OFF]
    tree, back = stage.directory / "tree", stage.directory / "back"
    there, theirs = ours.root / "t", peer.root / "t"
    took: dict[str, dict[str, list[float]]] = {verb: {"ftlite": [], "lftp": []} for verb in ("put", "get")}

    async def take(verb: str, name: str, deed: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await deed()
        took[verb][name].append(time.perf_counter() - began)

    with _passing(tree):
        make_tree(tree, count)
        async with connect(f"ftp://{ours.user}@{ours.host}:{ours.port}", password=ours.password, tls="off") as client:
            for _ in range(2 if stage.quick else 7):
                with _passing(there, theirs, back):
                    await take("put", "ftlite", partial(client.put_tree, tree, "t"))
                    await take("get", "ftlite", partial(client.get_tree, "t", back))
                    _gone(back)()
                    await take("put", "lftp", partial(trio.to_thread.run_sync, lftp, peer, f"mirror -R -P4 {tree} t"))
                    await take("get", "lftp", partial(trio.to_thread.run_sync, lftp, peer, f"mirror -P4 t {back}"))
    goal = _TreeGoal(count, 10)
    return [
        _tree_row(verb, {name: median(values) for name, values in each.items()}, goal, ", in an open session")
        for verb, each in took.items()
    ]


def _tree_row(verb: str, took: dict[str, float], goal: _TreeGoal, where: str = "") -> Row:
    met = took["lftp"] >= goal.lftp * took["ftlite"] and (goal.tar is None or took["ftlite"] <= goal.tar * took["tar"])
    words = f"{goal.lftp} times as fast as lftp -P4"
    if goal.tar is not None:
        words += f", within {goal.tar} times of tar"
    return Row(f"{verb} -r, {goal.count:,} files of 4 KiB{where}", "s", took, (words, met), digits=2)


def verified(stage: Stage) -> list[Row]:
    """One large file with and without digests, and what curl and sha256sum on both sides take for the same."""
    server = stage.servers["ftlite", Tls.OFF]
    size, name, back = stage.size, "v.bin", stage.directory / "v.bin"
    address, there = url(server, name), server.root / name
    plain = {"FTLITE_DIALECT": "stock", "FTLITE_REQUIRE": "size"}
    blake = {"FTLITE_DIGEST": "blake3"}
    login = f"{server.user}:{server.password}"
    target = f"ftp://{server.host}:{server.port}/{name}"

    def sums(one: Path, other: Path) -> None:
        shell("sh", "-c", f"test $(sha256sum < '{one}' | cut -c-64) = $(sha256sum < '{other}' | cut -c-64)")

    def curl_put() -> None:
        shell("curl", "-sS", "-u", login, "-T", stage.source, target)
        sums(stage.source, there)

    def curl_get() -> None:
        shell("curl", "-sS", "-u", login, "-o", back, target)
        sums(there, back)

    def put(to: str = address, **more: str) -> Deed:
        return lambda: ftlite(server, "put", "-q", stage.source, to, **more)

    def get(of: str = address, **more: str) -> Deed:
        return lambda: ftlite(server, "get", "-q", of, back, **more)

    rounds = 3 if stage.quick else 5
    up = in_turn(
        rounds,
        {
            "ftlite": (put(), _gone(there)),
            "blake3": (put(**blake), _gone(there)),
            "unverified": (put(**plain), _gone(there)),
            "curl": (curl_put, _gone(there)),
        },
    )
    other = server.root / "b.bin"
    put()()
    put(url(server, other.name), **blake)()  # the server knows the digest that a file was put with
    down = in_turn(
        rounds,
        {
            "ftlite": (get(), _gone(back)),
            "blake3": (get(url(server, other.name), **blake), _gone(back)),
            "unverified": (get(**plain), _gone(back)),
            "curl": (curl_get, _gone(back)),
        },
    )
    there.unlink()
    other.unlink()
    rates = [{key: size / 2**20 / value for key, value in took.items()} for took in (up, down)]
    return [_verified_row("PUT", rates[0], 0.45), _verified_row("GET", rates[1], 0.6)]


def _verified_row(verb: str, rates: dict[str, float], least: float) -> Row:
    plain = rates["unverified"]
    met = rates["ftlite"] >= least * plain and rates["blake3"] >= 0.7 * plain and rates["ftlite"] > rates["curl"]
    goal = f"sha256 {least:g} and blake3 0.7 of unverified, ahead of curl with sha256sum"
    return Row(f"{verb} of a large file, verified", "MiB/s", rates, (goal, met))


def many(stage: Stage) -> list[Row]:
    """Separate small files through one session: native with 16 in flight, and the stock way, one after the other."""
    server = stage.servers["ftlite", Tls.OFF]
    rows = []
    with far_away(server.host, server.port, 10) as port:
        for where, at, factor, count in (("on loopback", server.port, 1, 1000), ("10 ms away", port, 8, 100)):
            rates: dict[str, list[float]] = {"native": [], "stock": []}
            place = stage.directory / "many"
            place.mkdir(exist_ok=True)
            for _ in range(3):
                for dialect, found in rates.items():
                    sent = count if dialect == "stock" or factor == 1 else 10 * count
                    found.append(sent / trio.run(_small_gets, server, at, dialect, sent, place))
            values = {name: median(found) for name, found in rates.items()}
            goal = (f"{factor} x stock", values["native"] >= factor * values["stock"])
            rows.append(Row(f"4 KiB files, 16 in flight, {where}", "files/s", values, goal))
    return rows


async def _small_gets(server: Running, port: int, dialect: str, count: int, place: Path) -> float:
    """Seconds for so many files, session opened before; the stock dialect of one session does one at a time."""
    async with connect(
        f"ftp://{server.user}@{server.host}:{port}", password=server.password, tls="off", dialect=dialect
    ) as client:
        await client.get("small0", place / "warm")
        numbers = iter(range(count))

        async def fetch(lane: int) -> None:
            for number in numbers:
                await client.get(f"small{number % SMALL_FILES}", place / f"{lane}")

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for lane in range(16 if dialect == "native" else 1):
                nursery.start_soon(fetch, lane)
        return time.perf_counter() - began


def first_byte(stage: Stage) -> list[Row]:
    """From asking to the first byte, over a way of 50 ms, in round trips."""
    rows = []
    for label, tls, spares, dialect, most in (
        ("clear", Tls.OFF, 0, "native", 2),
        ("TLS", Tls.EXPLICIT, 0, "native", 3),
        ("TLS, with a spare", Tls.EXPLICIT, 1, "native", 1),
        ("stock, clear (its data connection goes round the relay)", Tls.OFF, 0, "stock", 0),
    ):
        server = stage.servers["ftlite", tls]
        with far_away(server.host, server.port, 50) as port:
            trips = trio.run(_first_byte, server, port, spares, dialect) / 0.05
        goal = (f"{most}", trips <= most + 0.5) if most else None
        rows.append(Row(f"first byte of a GET, {label}", "round trips", {"ftlite": trips}, goal, digits=1))
    return rows


async def _first_byte(server: Running, port: int, spares: int, dialect: str) -> float:
    cacert = server.certificate.authority if server.certificate is not None else None
    took = []
    async with connect(
        f"ftp://{server.user}@{server.host}:{port}", password=server.password, cacert=cacert, spares=spares,
        tls="off" if server.tls is Tls.OFF else "required", dialect=dialect,
    ) as client:  # fmt: skip
        for _ in range(5):
            await trio.sleep(0.4)  # until a spare stands
            began = time.perf_counter()
            async with client.download("small0") as download:
                await anext(aiter(download))
                took.append(time.perf_counter() - began)
                async for _rest in download:
                    pass
    return median(took)


@contextmanager
def _peak_of_a_child(found: dict[int, int], size: int) -> Iterator[None]:
    """The most memory that a child which is started meanwhile has had, looked at while it runs: what wait4 tells of a
    child counts this process too, which it was a copy of before its exec."""
    over, most = threading.Event(), [0]
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())

    def look() -> None:
        while not over.wait(0.01):
            for child in set(children.read_text().split()) - before:
                with suppress(OSError):
                    if b"ftlite" in Path(f"/proc/{child}/cmdline").read_bytes():
                        most.append(process_peak(int(child)))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        found[size] = max(most)


def flat(stage: Stage) -> list[Row]:
    """Peak memory of client and server while a file of 1 MiB and one of 8 GiB goes up and comes back."""
    peaks: dict[str, dict[int, int]] = {"client put": {}, "client get": {}, "server": {}}
    sizes = (1 << 20, (1 << 30) if stage.quick else (8 << 30))
    for size in sizes:
        with stage.fresh("ftlite", Tls.EXPLICIT) as server:
            source, back = stage.directory / "flat.bin", stage.directory / "flat.back"
            with source.open("wb") as file:
                file.truncate(size)  # holes: they take no memory here, and travel like anything else
            with _peak_of_a_child(peaks["client put"], size):
                ftlite(server, "put", "-q", source, url(server, "f"))
            with _peak_of_a_child(peaks["client get"], size):
                ftlite(server, "get", "-q", url(server, "f"), back)
            peaks["server"][size] = peak(server)
            _gone(source, back, server.root / "f")()
    return [
        Row(
            f"peak memory, {what}, 1 MiB and {sizes[1] >> 30} GiB over TLS",
            "MiB",
            {"small": found[sizes[0]] / 2**20, "large": found[sizes[1]] / 2**20},
            ("within 64 MiB", abs(found[sizes[1]] - found[sizes[0]]) <= 64 << 20),
        )
        for what, found in peaks.items()
    ]
