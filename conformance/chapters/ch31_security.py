"""Chapter 31: what an FTP server must not be used for (RFC 2577): bounces, stolen connections, guessed passwords."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator

from conformance.chapters.checks import want_alive, want_class
from conformance.data import Way, download, open_data, passive_address, port_argument
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target

_OTHER = "127.0.0.2"  # another host, as far as a server on loopback can see
_FAR = "192.0.2.1"  # nobody's (RFC 5737)
_NOBODY = "no-such-user-7q"


@contextlib.contextmanager
def _other_host(here: Place) -> Iterator[socket.socket]:
    """A listener on another address of this machine than the control connection's."""
    if not here.wire.socket.getsockname()[0].startswith("127."):
        raise Skipped("it needs a server on loopback, where one machine can be two hosts")
    listener = socket.socket()
    try:
        listener.bind((_OTHER, 0))
    except OSError as error:
        listener.close()
        raise Skipped(f"{_OTHER} cannot be used here: {error}") from error
    listener.listen(1)
    listener.settimeout(0.5)
    with listener:
        yield listener


def _argument(way: Way, host: str, port: int) -> str:
    return f"PORT {port_argument(host, port)}" if way is Way.PORT else f"EPRT |1|{host}|{port}|"


def _active_works(target: Target, way: Way) -> None:
    """Skipped where it is refused to the client itself. In a session of its own: some servers dial at once."""
    with target.session() as wire:
        try:
            open_data(wire, way).close()
        except Failed as refused:
            raise Skipped(f"{way.value} is refused to everybody: {refused}") from refused


def _bounce(target: Target, way: Way) -> str:
    with place(target) as here, _other_host(here) as listener:
        _active_works(target, way)
        here.make("file", b"bounced")
        reply = here.command(_argument(way, *listener.getsockname()))
        if reply.code >= 400:
            return f"refused: {reply.shown}"
        here.wire.send(b"RETR file\r\n")
        with contextlib.suppress(TimeoutError):
            listener.accept()[0].close()
            raise Failed("the server connects to another host than its client")
        return f"never dialled, and {way.value} was answered {reply.shown}"


@case(
    "bounce-port",
    "RFC 2577 s.4",
    Level.SHOULD,
    "PORT to another host than the client's makes no connection.",
    "The server attacks others, in its own name, for anybody who can log in.",
)
def bounce_port(target: Target) -> str:
    return _bounce(target, Way.PORT)


@case(
    "bounce-eprt",
    "RFC 2577 s.4",
    Level.SHOULD,
    "EPRT to another host than the client's makes no connection.",
    "The server attacks others, in its own name, for anybody who can log in.",
)
def bounce_eprt(target: Target) -> str:
    return _bounce(target, Way.EPRT)


def _refused(target: Target, way: Way, port: int) -> None:
    """Failed unless a port of the client's own host is refused when it is named: later, nobody may listen there."""
    with place(target) as here:
        _active_works(target, way)
        host = here.wire.socket.getsockname()[0]
        want_class(here.command(_argument(way, host, port)), "45", f"{way.value} to port {port}")
        want_alive(here.wire, "an address that was refused")


@case(
    "bounce-port-told",
    "RFC 2577 s.4",
    Level.MAY,
    "PORT to a host that is not the client is refused before a transfer is begun.",
    "A client whose address was rewritten waits for a connection that never comes.",
)
def bounce_port_told(target: Target) -> None:
    with place(target) as here:
        _active_works(target, Way.PORT)
        want_class(here.command(_argument(Way.PORT, _FAR, 51201)), "5", "PORT to another host")


@case(
    "bounce-eprt-told",
    "RFC 2577 s.4",
    Level.MAY,
    "EPRT to a host that is not the client is refused before a transfer is begun.",
    "A client whose address was rewritten waits for a connection that never comes.",
)
def bounce_eprt_told(target: Target) -> None:
    with place(target) as here:
        _active_works(target, Way.EPRT)
        want_class(here.command(_argument(Way.EPRT, _FAR, 51201)), "5", "EPRT to another host")


@case(
    "bounce-low-port",
    "RFC 2577 s.3",
    Level.SHOULD,
    "PORT to a port below 1024 is refused.",
    "The server talks to mail and other services in its client's name.",
)
def low_port(target: Target) -> None:
    _refused(target, Way.PORT, 1023)


@case(
    "bounce-low-eprt",
    "RFC 2577 s.3",
    Level.SHOULD,
    "EPRT to a port below 1024 is refused.",
    "The server talks to mail and other services in its client's name.",
)
def low_eprt(target: Target) -> None:
    _refused(target, Way.EPRT, 25)


@case(
    "bounce-low-port-504",
    "RFC 2577 s.3",
    Level.SHOULD,
    "The refusal of a port below 1024 is 504, as RFC 2577 proposes.",
    "Programs cannot tell this refusal from that of a wrong number.",
)
def low_port_504(target: Target) -> None:
    with place(target) as here:
        _active_works(target, Way.PORT)
        reply = here.command(_argument(Way.PORT, here.wire.socket.getsockname()[0], 1023))
        if reply.code != 504:
            raise Failed(f"PORT to port 1023 is answered {reply.shown}")


@case(
    "passive-own-host",
    "RFC 959 s.4.1.2",
    Level.MUST,
    "PASV names the host that the control connection goes to, and it can be reached there.",
    "Clients that believe the reply send their files to somebody else.",
)
def passive_own(target: Target) -> str | None:
    with place(target) as here:
        host, port = passive_address(here.known("PASV"))
        ours = here.wire.socket.getpeername()[0]
        try:
            socket.create_connection((host, port), timeout=2.0).close()
        except OSError as error:
            raise Failed(f"PASV names {host} port {port}, which cannot be reached: {error}") from error
        if host != ours:
            if ours.startswith("127."):
                raise Failed(f"PASV names {host}, and the control connection goes to {ours}")
            return f"it names {host} instead of {ours}, as behind NAT"
    return None


@contextlib.contextmanager
def _thief(here: Place, port: int) -> Iterator[socket.socket]:
    """A connection to the passive port from another address than the client's."""
    host = here.wire.socket.getpeername()[0]
    if not host.startswith("127."):
        raise Skipped("it needs a server on loopback, where one machine can be two hosts")
    try:
        with socket.create_connection((host, port), timeout=2.0, source_address=(_OTHER, 0)) as thief:
            thief.settimeout(1.0)
            yield thief
    except OSError as error:
        if isinstance(error, ConnectionRefusedError):
            raise Failed("the passive port cannot be reached") from error
        raise


@case(
    "theft-of-download",
    "RFC 2577 s.4",
    Level.SHOULD,
    "A passive port gives no file to another address than the client's.",
    "Whoever connects first reads the files of others.",
)
def theft_download(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"for its owner\n" * 100)
        _, port = passive_address(here.known("PASV"))
        with _thief(here, port) as thief:
            here.wire.send(b"RETR file\r\n")
            with contextlib.suppress(OSError):
                if said := thief.recv(4096):
                    raise Failed(f"another address is given {len(said)} bytes")


@case(
    "theft-of-upload",
    "RFC 2577 s.4",
    Level.SHOULD,
    "A passive port takes no file from another address than the client's.",
    "Whoever connects first puts content under the names of others.",
)
def theft_upload(target: Target) -> None:
    with place(target) as here:
        _, port = passive_address(here.known("PASV"))
        with _thief(here, port) as thief:
            with contextlib.suppress(OSError):
                thief.sendall(b"from a thief")
                thief.shutdown(socket.SHUT_WR)
            here.wire.send(b"STOR file\r\n")
            with contextlib.suppress(OSError):
                thief.recv(4096)
        with target.session() as wire:  # the first may wait for its data connection for a while
            wire.command("TYPE I")
            if b"thief" in download(wire, f"RETR {here.path}/file").content:
                raise Failed("what another address sent stands under the name")


@case(
    "theft-leaves-the-port",
    "RFC 2577 s.8",
    Level.MAY,
    "A stranger that connects to the passive port first does not keep the client out.",
    "Anybody can stop the transfers of others by guessing ports.",
)
def theft_leaves(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"for its owner")
        _, port = passive_address(here.known("PASV"))
        if here.wire.protected:
            raise Skipped("it is judged in clear")
        host = here.wire.socket.getpeername()[0]
        with _thief(here, port), contextlib.suppress(OSError):
            with socket.create_connection((host, port), timeout=2.0) as own:
                here.wire.patience = 3.0
                want_class(here.command("RETR file"), "1", "RETR")
                own.settimeout(2.0)
                if own.recv(4096) == b"for its owner":
                    return
        raise Failed("the client gets nothing")


@case(
    "passive-ports-scattered",
    "RFC 2577 s.8",
    Level.SHOULD,
    "Passive ports do not follow each other.",
    "A thief knows where the next transfer of somebody else will be.",
)
def scattered(target: Target) -> str:
    ports = []
    with place(target) as here:
        for _ in range(6):
            ports.append(passive_address(here.known("PASV"))[1])
    steps = [after - before for before, after in itertools.pairwise(ports)]
    if len(set(steps)) == 1 and steps[0] != 0:
        raise Failed(f"each port is {steps[0]} after the one before: {ports}")
    return ", ".join(map(str, ports))


@case(
    "passive-many",
    "RFC 2577 s.8",
    Level.MAY,
    "Thirty PASV in one session use up no ports, and the last one works.",
    "One client takes the ports away from everybody.",
)
def many(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"last")
        for _ in range(30):
            passive_address(here.known("PASV"))
        want_done(download(here.wire, "RETR file", Way.PASV), "RETR after thirty PASV")


@case(
    "passive-of-others",
    "RFC 959 s.2.3",
    Level.MUST,
    "Two sessions that wait at the same time wait at two ports, and each gets its own file.",
    "Users get each other's files.",
)
def of_others(target: Target) -> None:
    with place(target) as one, place(target) as two:
        one.make("file", b"one")
        two.make("file", b"two")
        first, second = open_data(one.wire, Way.PASV), open_data(two.wire, Way.PASV)
        try:
            if passive_address(first.reply)[1] == passive_address(second.reply)[1]:
                raise Failed("both wait at one port")
            for here, opening, content in ((two, second, b"two"), (one, first, b"one")):
                want_class(here.command("RETR file"), "1", "RETR")
                data = opening.data()
                if (got := data.receive_all()) != content:
                    raise Failed(f"a session that asked for {content!r} got {got!r}")
                data.end()
                here.wire.reply()
        finally:
            first.close()
            second.close()


@case(
    "guessing-is-slow",
    "RFC 2577 s.5",
    Level.SHOULD,
    "A wrong password is answered after a while (RFC 2577 proposes five seconds).",
    "Passwords can be guessed as fast as the network allows.",
)
def guessing_slow(target: Target) -> str:
    with target.greeted() as wire:
        wire.command(f"USER {_NOBODY}")
        began = time.monotonic()
        reply = wire.command("PASS wrong")
        took = time.monotonic() - began
        if reply.code == 230:
            raise Failed("anybody gets in")
        if took < 0.25:
            raise Failed(f"the answer came after {took:.2f} s")
        return f"after {took:.1f} s"


@case(
    "guessing-ends",
    "RFC 2577 s.5",
    Level.SHOULD,
    "After some wrong passwords, ten at most, the session is ended or slow.",
    "Passwords can be guessed without end.",
)
def guessing_ends(target: Target) -> str:
    with target.greeted() as wire:
        wire.patience = 4.0
        for number in range(1, 11):
            try:
                wire.command(f"USER {_NOBODY}")
                if wire.command("PASS wrong").code == 421:
                    return f"421 after {number}"
            except Closed:
                return f"closed after {number}"
            except Failed:
                return f"the answer to number {number} takes more than {wire.patience:g} s"
        raise Failed("ten wrong passwords are answered in one session")


@case(
    "names-told-by-time",
    "RFC 2577 s.7",
    Level.MAY,
    "USER is answered as fast for a name that exists as for another.",
    "Names of users can be found out, and half of a login is known.",
)
def told_by_time(target: Target) -> str:
    took = {}
    for name in (target.user, _NOBODY):
        times = []
        for _ in range(3):
            with target.greeted() as wire:
                began = time.monotonic()
                wire.command(f"USER {name}")
                times.append(time.monotonic() - began)
        took[name] = min(times)
    known, unknown = took[target.user], took[_NOBODY]
    if abs(known - unknown) > 0.05:
        raise Failed(f"a name that exists takes {known * 1000:.0f} ms, another {unknown * 1000:.0f} ms")
    return f"{known * 1000:.1f} and {unknown * 1000:.1f} ms"


@case(
    "rnfr-of-strangers",
    "RFC 959 s.2.2",
    Level.MUST,
    "Access is judged for the session: what one was told with RNFR another cannot use.",
    "Users act with the rights of others.",
)
def rename_of_strangers(target: Target) -> None:
    with place(target) as one, place(target) as two:
        one.make("file", b"mine")
        want_class(one.command("RNFR file"), "3", "RNFR")
        want_class(two.command("RNTO taken"), "5", "RNTO in a session without RNFR")
        want_class(one.command("RNTO kept"), "2", "RNTO after RNFR")
