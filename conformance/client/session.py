"""The server's side of one control connection and of its data connections, blocking, in a thread."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from conformance.client.dataconnection import Data
from conformance.client.record import DataSeen, Heard
from conformance.client.script import PASSWORD, USER, Entry, Script, fact_line, unix_line

if TYPE_CHECKING:
    from conformance.client.play import Play

_DATA_PATIENCE = 10.0


class Over(Exception):
    """The script ends this control connection, or the client did."""


class Session:
    """One control connection. Verbs without a right behaviour here are answered 502."""

    def __init__(self, play: Play, connection: socket.socket, number: int):
        self.play = play
        self.socket = connection
        self.number = number
        self.buffer = b""
        self.secured = self.protected = False
        self.cwd = self.script.home
        self.offset = 0
        self.image = False
        self.name = ""
        self.inside = False
        self.renamed = b""
        self.ahead = False
        self.listener: socket.socket | None = None
        self.active: tuple[str, int] | None = None

    @property
    def script(self) -> Script:
        return self.play.script

    def talk(self) -> None:
        """Until either side ends it."""
        with contextlib.suppress(Over, OSError):
            self._answer(self.script.greeting, b"")
            while True:
                line = self.hear()
                verb, _, argument = line.partition(b" ")
                self.obey(verb.decode("ascii", "replace").upper(), argument)

    def obey(self, verb: str, argument: bytes) -> None:
        if verb == "USER":
            self.name = argument.decode("utf-8", "replace")
        answer = self.script.answers.get(verb)
        if answer is None:
            self.right(verb, argument)
        else:
            self._answer(answer, argument)
        if verb == self.script.closes_after:
            raise Over

    def _answer(self, answer: bytes | Callable[[Session, bytes], None], argument: bytes) -> None:
        if isinstance(answer, bytes):
            self.say(answer)
        else:
            answer(self, argument)

    def right(self, verb: str, argument: bytes) -> None:
        """What a right server does."""
        handler = getattr(self, f"do_{verb.lower()}", None) if re.fullmatch("[A-Z]{3,4}", verb) else None
        if handler is None:
            self.say(b"502 Not here.\r\n")
        elif not self.inside and verb not in ("USER", "PASS", "AUTH", "PBSZ", "PROT", "FEAT", "QUIT", "NOOP", "SYST"):
            self.say(b"530 Log in first.\r\n")
        else:
            handler(argument)

    def say(self, reply: bytes) -> None:
        if self.script.in_pieces:
            for position in range(len(reply) - 1):
                self.socket.sendall(reply[position : position + 1])
                time.sleep(0.0003)
            reply = reply[-1:]
        self.ahead = bool(self.buffer) or (not self.secured and self._readable(0))
        self.socket.sendall(reply)

    def hear(self) -> bytes:
        while b"\n" not in self.buffer:
            self._fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        plain = line.removesuffix(b"\r")
        ending = b"\r\n" if line.endswith(b"\r") else b"\n"
        self.play.record.heard.append(Heard(self.number, plain, ending, self.secured, self.ahead))
        return plain

    def hold(self) -> None:
        """Says nothing more until the client leaves or the case is over."""
        while True:
            self.hear()

    def hang_up(self) -> None:
        raise Over

    def _fill(self) -> None:
        block = self.socket.recv(65536)
        if not block:
            raise Over
        self.buffer += block

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self.socket], [], [], seconds)[0])

    def quiet(self, seconds: float) -> bytes:
        """What the client says within that time, though it is not its turn."""
        return self.socket.recv(65536) if self._readable(seconds) else b""

    def path(self, argument: bytes) -> bytes:
        """Absolute, without `.` and `..`."""
        whole = argument if argument.startswith(b"/") else self.cwd.rstrip(b"/") + b"/" + argument
        parts: list[bytes] = []
        for part in whole.split(b"/"):
            if part == b"..":
                parts = parts[:-1]
            elif part not in (b"", b"."):
                parts.append(part)
        return b"/" + b"/".join(parts)

    def until(self, content: bytes, end: int) -> bytes:
        """Of `content`, which begins at the offset asked for, what lies before `end` in the file.

        A server that always breaks off at one place: a client that asks again gets no further.
        """
        return content[: max(end - self.offset, 0)]

    def keep(self, path: bytes, content: bytes) -> None:
        """What was stored: in TYPE A the line ends are the network's."""
        self.play.record.stored[path] = content if self.image else content.replace(b"\r\n", b"\n")

    # login

    def do_user(self, _: bytes) -> None:
        self.say(b"331 And the password?\r\n")

    def do_pass(self, argument: bytes) -> None:
        self.inside = (self.name, argument.decode("utf-8", "replace")) == (USER, PASSWORD)
        self.say(b"230 In.\r\n" if self.inside else b"530 No.\r\n")

    def do_quit(self, _: bytes) -> None:
        self.say(b"221 Bye.\r\n")
        raise Over

    def do_noop(self, _: bytes) -> None:
        self.say(b"200 Fine.\r\n")

    def do_type(self, argument: bytes) -> None:
        self.image = argument[:1].upper() in (b"I", b"L")
        self.say(b"200 Fine.\r\n")

    def do_mode(self, argument: bytes) -> None:
        self.say(b"200 Fine.\r\n" if argument.upper() in (b"S", b"F") else b"504 Not that.\r\n")

    do_stru = do_mode

    def do_syst(self, _: bytes) -> None:
        self.say(b"215 UNIX Type: L8\r\n")

    def do_feat(self, _: bytes) -> None:
        offered = (*self.script.features, *((b"AUTH TLS", b"PBSZ", b"PROT") if self.script.tls else ()))
        self.say(b"211-Features:\r\n" + b"".join(b" %s\r\n" % line for line in offered) + b"211 End\r\n")

    def do_opts(self, argument: bytes) -> None:
        self.say(b"200 Fine.\r\n" if argument.upper().startswith((b"UTF8", b"MLST")) else b"501 Not that.\r\n")

    def do_auth(self, argument: bytes) -> None:
        if not self.script.tls:
            self.say(b"502 No TLS here.\r\n")
        elif argument.upper() not in (b"TLS", b"TLS-C", b"SSL"):
            self.say(b"504 Not that.\r\n")
        else:
            self.say(b"234 Begin.\r\n")
            self.secure()

    def secure(self) -> None:
        self.socket = self.play.secure(self.socket)
        self.secured = True

    def do_pbsz(self, _: bytes) -> None:
        self.say(b"200 PBSZ=0\r\n" if self.secured else b"503 AUTH first.\r\n")

    def do_prot(self, argument: bytes) -> None:
        if not self.secured:
            self.say(b"503 AUTH first.\r\n")
            return
        self.protected = argument.upper() == b"P"
        self.say(b"200 Fine.\r\n")

    # names

    def do_pwd(self, _: bytes) -> None:
        self.say(b'257 "%s" is it.\r\n' % self.cwd.replace(b'"', b'""'))

    def do_cwd(self, argument: bytes) -> None:
        path = self.path(argument)
        if self._is_directory(path):
            self.cwd = path
            self.say(b"250 There.\r\n")
        else:
            self.say(b"550 No such directory.\r\n")

    def do_cdup(self, _: bytes) -> None:
        self.do_cwd(b"..")

    def _is_directory(self, path: bytes) -> bool:
        return self.script.listed(path) is not None

    def _content(self, argument: bytes) -> bytes | None:
        path = self.path(argument)
        content = self.script.files.get(path)
        return self.play.record.stored.get(path) if content is None else content

    def do_size(self, argument: bytes) -> None:
        content = self._content(argument)
        self.say(b"550 No such file.\r\n" if content is None else b"213 %d\r\n" % len(content))

    def do_mdtm(self, argument: bytes) -> None:
        self.say(b"550 No such file.\r\n" if self._content(argument) is None else b"213 20240102030405\r\n")

    def do_mlst(self, argument: bytes) -> None:
        content = self._content(argument)
        if content is not None:
            facts = b"type=file;size=%d;modify=20240102030405;" % len(content)
        elif self._is_directory(self.path(argument)):
            facts = b"type=dir;modify=20240102030405;"
        else:
            self.say(b"550 No such thing.\r\n")
            return
        self.say(b"250-Facts:\r\n %s %s\r\n250 End\r\n" % (facts, self.path(argument)))

    def do_mkd(self, argument: bytes) -> None:
        self.say(b'257 "%s" made.\r\n' % self.path(argument).replace(b'"', b'""'))

    def do_dele(self, argument: bytes) -> None:
        gone = self.play.record.stored.pop(self.path(argument), None)
        self.say(b"550 No such file.\r\n" if gone is None else b"250 Gone.\r\n")

    def do_rnfr(self, argument: bytes) -> None:
        self.renamed = self.path(argument)
        self.say(b"350 To what?\r\n" if self.renamed in self.play.record.stored else b"550 No such file.\r\n")

    def do_rnto(self, argument: bytes) -> None:
        self.play.record.stored[self.path(argument)] = self.play.record.stored.pop(self.renamed)
        self.say(b"250 Done.\r\n")

    # data connections

    def open_port(self) -> int:
        """A port that the next transfer takes its data connection from."""
        self.forget_port()
        self.listener = self.play.listen(self.script.address)
        port: int = self.listener.getsockname()[1]
        return port

    def forget_port(self) -> None:
        self.active = None
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def pasv_numbers(self, host: str = "127.0.0.1") -> bytes:
        """h1,h2,h3,h4,p1,p2 of a new port."""
        port = self.open_port()
        return f"{host.replace('.', ',')},{port >> 8},{port & 255}".encode()

    def do_pasv(self, _: bytes) -> None:
        if self.script.address != "127.0.0.1":
            self.say(b"425 PASV is for IPv4.\r\n")
        else:
            self.say(b"227 Entering Passive Mode (%s).\r\n" % self.pasv_numbers())

    def do_epsv(self, argument: bytes) -> None:
        if argument.upper() == b"ALL":
            self.say(b"200 Only EPSV from here on.\r\n")
        else:
            self.say(b"229 Extended Passive Mode (|||%d|)\r\n" % self.open_port())

    def do_port(self, argument: bytes) -> None:
        numbers = [int(number) for number in argument.split(b",")]
        self._to_dial(".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5])

    def do_eprt(self, argument: bytes) -> None:
        _, _, host, port, _ = argument.decode("ascii").split(argument[:1].decode("ascii"))
        self._to_dial(host, int(port))

    def _to_dial(self, host: str, port: int) -> None:
        self.forget_port()
        self.active = (host, port)
        self.say(b"200 Fine.\r\n")

    def data(self) -> Data:
        """The data connection of this transfer, under TLS after PROT P. Over when none comes."""
        connection = self._data_socket()
        self.play.track(connection)
        connection.settimeout(_DATA_PATIENCE)
        seen = DataSeen()
        self.play.record.data.append(seen)
        if not self.protected:
            return Data(connection, seen)
        try:
            secured = self.play.secure(connection, data=True)
        except OSError as error:
            seen.fault = str(error)
            self.say(b"522 TLS failed on the data connection.\r\n")
            connection.close()
            raise Refused from error
        seen.secured, seen.resumed = True, bool(secured.session_reused)
        return Data(secured, seen)

    def _data_socket(self) -> socket.socket:
        if self.active is not None:
            host, self.active = self.active, None
            return socket.create_connection(host, timeout=_DATA_PATIENCE)
        assert self.listener is not None
        listener, self.listener = self.listener, None
        with listener:
            listener.settimeout(_DATA_PATIENCE)
            try:
                return listener.accept()[0]
            except TimeoutError as error:
                raise Over from error

    @contextlib.contextmanager
    def _transfer(self) -> Iterator[bool]:
        """Whether a data connection was asked for; tells the client when not. A refused TLS ends only the transfer."""
        ready = self.listener is not None or self.active is not None
        if not ready:
            self.say(b"425 Ask for a data connection first.\r\n")
        try:
            yield ready
        except Refused:
            pass
        finally:
            self.offset = 0
            self.forget_port()

    def do_rest(self, argument: bytes) -> None:
        self.offset = int(argument)
        self.say(b"350 Go on.\r\n")

    def do_retr(self, argument: bytes) -> None:
        content = self._content(argument)
        if content is None:
            self.say(b"550 No such file.\r\n")
            return
        if not self.image:
            content = content.replace(b"\n", b"\r\n")
        with self._transfer() as ready:
            if ready:
                self.script.retr(self, content[self.offset :])

    def do_stor(self, argument: bytes) -> None:
        with self._transfer() as ready:
            if ready:
                self.script.stor(self, self.path(argument))

    def _list(self, argument: bytes, line: Callable[..., bytes]) -> None:
        path = self.path(argument)
        entries = self.script.listed(path, self.play.record.stored)
        if entries is None:
            self.say(b"550 No such directory.\r\n")
            return
        with self._transfer() as ready:
            if ready:
                self.script.listing(self, b"".join(line(entry) for entry in entries))

    def do_list(self, argument: bytes) -> None:
        # Options of ls are no part of the protocol, but everyone sends them.
        path = re.sub(rb"^-\S*\s*", b"", argument)
        if (content := self._content(path)) is not None and path:
            with self._transfer() as ready:
                if ready:
                    self.script.listing(self, unix_line(Entry(path, "file", len(content))))
            return
        self._list(path, unix_line)

    def do_nlst(self, argument: bytes) -> None:
        self._list(re.sub(rb"^-\S*\s*", b"", argument), lambda entry: entry.name + b"\r\n")

    def do_mlsd(self, argument: bytes) -> None:
        self._list(argument, fact_line)


class Refused(Exception):
    """The client would not have the data connection's TLS."""
