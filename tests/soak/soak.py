"""The soak: everybody at work, chaos among them, and then what must hold."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import define, evolve, field

from tests.faults.relay import HOST, Cut, How, Relay, relaying
from tests.faults.support import parts, until
from tests.peers.servers import Running
from tests.soak.clients import FICKLE, FILES, TREES, Client, fill, watch
from tests.soak.contents import check_file, check_tree, make_file
from tests.soak.life import Life, living

_CLIENTS = 5
_WARM_UP = 4.0  #: seconds at least
_GROWTH_MIB = 32.0  #: that the server may have gained in its last life; what is cached is bounded
Say = Callable[[str], None]


@define
class Report:
    """What happened, and what was wrong."""

    done: Counter[str] = field(factory=Counter)
    refusals: Counter[str] = field(factory=Counter)
    wrong: list[str] = field(factory=list)
    looks: int = 0


def soak(place: Path, seconds: float, seed: int, say: Say = lambda text: None) -> Report:
    """Run for about so long below `place`.

    Three quarters of the time with the server killed now and then; then one life of it that must end as it began.
    """
    chance = random.Random(seed)
    report = Report()
    with living(place) as life, relaying(life.ports[0], life.ports[1:]) as relay:
        fill(life.root, chance)
        with _at_work(life, relay, place, chance, report):
            _chaos(life, relay, chance, seconds * 0.6, report, kills=True)
        say(f"killed {report.done['server killed']} times; now one life of it")
        life.kill()
        life.start()
        with _at_work(life, relay, place, chance, report):
            _chaos(life, relay, chance, max(_WARM_UP, seconds * 0.15), report, kills=False)
        base = life.holds()
        with _at_work(life, relay, place, chance, report):
            _chaos(life, relay, chance, seconds * 0.25, report, kills=False)
        _settled(life, base, report)
        _all_whole(life.root, report)
        _resumed(life, place, chance, report)
        life.kill()
        life.start(part_age=1)  # the sweep at the start takes what is older
        try:
            until(lambda: not parts(life.root), "no part is left", 30)
        except AssertionError as error:
            report.wrong.append(f"{error}: {parts(life.root)}")
    report.wrong += life.faults
    return report


@contextlib.contextmanager
def _at_work(life: Life, relay: Relay, place: Path, chance: random.Random, report: Report) -> Iterator[None]:
    """Clients and watchers in threads; what they complain of is in the report."""
    stop = threading.Event()

    def servers() -> list[Running]:
        plain = life.server
        far = evolve(plain, host=HOST, port=relay.port)
        return [plain, far, life.secured(plain.port, plain.host), life.secured(relay.port, HOST)]

    def client(number: int, seed: int) -> None:
        worker = Client(place / f"client{number}", random.Random(seed), servers, report.done, report.refusals)
        while not stop.is_set():
            worker.act()

    def watcher(seed: int) -> None:
        report.looks += watch(life.root, lambda: life.server, random.Random(seed), stop.is_set)

    def guarded(work: Callable[..., None], *arguments: int) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            report.wrong.append(f"{type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=guarded, args=(client, number, chance.getrandbits(32))) for number in range(_CLIENTS)
    ]
    threads.append(threading.Thread(target=guarded, args=(watcher, chance.getrandbits(32))))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _chaos(life: Life, relay: Relay, chance: random.Random, seconds: float, report: Report, *, kills: bool) -> None:
    """Resets, reloads, and kills of the server, for so long."""
    over = time.monotonic() + seconds
    while time.monotonic() < over and not report.wrong:
        time.sleep(min(chance.uniform(0.2, 2.0), max(0.0, over - time.monotonic())))
        dice = chance.random()
        if dice < 0.35:
            relay.arm(Cut(chance.choice((1, 1_000, 50_000, 2_000_000)), How.RESET))
            report.done["data connection reset"] += 1
        elif dice < 0.5:
            relay.order_control(How.CONTROL_RESET)
            report.done["control connections reset"] += 1
        elif dice < 0.7:
            life.hang_up()
            report.done["server reloaded"] += 1
        elif dice < 0.8 and kills:
            life.kill()
            life.start()
            report.done["server killed"] += 1


def _settled(life: Life, base: dict[str, float], report: Report) -> None:
    try:
        more = life.settles_to(base, _GROWTH_MIB)
    except AssertionError as error:
        more = [str(error)]
    report.wrong += [f"the server holds more than before: {each}" for each in more]


def _all_whole(root: Path, report: Report) -> None:
    """Every published name, and no other."""
    shown = {path.name for path in root.iterdir()} - {".ftlite", *FICKLE}
    if shown != {*FILES, *TREES}:
        report.wrong.append(f"in the root there are {sorted(shown ^ {*FILES, *TREES})} too few or too many")
    fickle = [name for name in FICKLE if (root / name).exists()]
    for check, names in ((lambda path: check_file(path.read_bytes(), path), FILES + fickle), (check_tree, TREES)):
        for name in names:
            try:
                check(root / name)
            except (AssertionError, OSError) as error:
                report.wrong.append(f"{type(error).__name__}: {error}")


def _resumed(life: Life, place: Path, chance: random.Random, report: Report) -> None:
    """An upload that was killed in the middle goes on where its part ends."""
    scratch = place / "resumed"
    scratch.mkdir()
    source = scratch / "source"
    make_file(source, chance, 60_000_000)
    worker = Client(scratch / "work", chance, lambda: [life.server], report.done, report.refusals)
    try:
        worker.cut_and_resume(life.server, source, life.root / FILES[0])
    except AssertionError as error:
        report.wrong.append(f"resume: {error}")
