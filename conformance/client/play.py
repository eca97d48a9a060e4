"""The scripted server of one case: a listener on loopback, a thread for each session."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from pathlib import Path
from types import TracebackType

from conformance.client.record import Record
from conformance.client.script import Script
from conformance.client.session import Session

CERTIFICATES = Path(__file__).parent / "certificates"
_ALIVE = 120.0  # no session of a case lives longer, whatever the script


class Play:
    """Serves from `with` on. `script` may be replaced between two runs of a client."""

    def __init__(self, script: Script):
        self.script = script
        self.record = Record()
        self.broke: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def __enter__(self) -> Play:
        self._listener = self.listen(self.script.address)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_ALIVE)
        for one in self._sockets:
            one.close()
        if self.broke and error is None:
            raise RuntimeError("the scripted server itself failed") from self.broke[0]

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=self._guarded, args=(work, *arguments), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: object, *arguments: object) -> None:
        assert callable(work)
        try:
            work(*arguments)
        except OSError:
            pass  # the case is over, or the client is
        except BaseException as error:
            self.broke.append(error)

    def listen(self, host: str, port: int = 0) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
        self.track(listener)
        return listener

    def track(self, one: socket.socket) -> None:
        """It is shut down at the end of the case at the latest."""
        self._sockets.append(one)
        if self._over.is_set():
            one.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            connection, _ = self._listener.accept()
            self.track(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_ALIVE)
            self.record.sessions += 1
            self._start(self._serve, connection, self.record.sessions)

    def _serve(self, connection: socket.socket, number: int) -> None:
        session = Session(self, connection, number)
        try:
            session.talk()
        finally:
            with contextlib.suppress(OSError):
                session.socket.shutdown(socket.SHUT_RDWR)
            session.socket.close()

    def lure(self, host: str, port: int) -> None:
        """Counts who connects to that other address, where a client has no business. OSError: it cannot be had."""
        listener = self.listen(host, port)

        def count() -> None:
            while True:
                connection, _ = listener.accept()
                self.record.misled += 1
                connection.close()

        self._start(count)

    def secure(self, connection: socket.socket, *, data: bool = False) -> ssl.SSLSocket:
        """TLS, as the server. Tickets are issued on control connections only: on data connections nobody reads them."""
        script = self.script
        name = (data and script.data_certificate) or script.certificate
        context = self._contexts.get(name) or self._context(name)
        self._contexts[name] = context
        context.num_tickets = 0 if data else 2
        secured = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
        self.track(secured)
        return secured

    def _context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{name}.pem")
        lowest, highest = self.script.versions
        if lowest < "TLSv1_2":
            context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():  # that TLS 1.1 is no good is why it is offered
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion[lowest], ssl.TLSVersion[highest]
        return context
