"""A small right FTP client that can be wrong in one place at a time: [FAULT[+FAULT]] deed host port user password
path local patience cacert. cacert "-": in clear. A fault is a word that the code below asks for."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from pathlib import Path

FAULTS: set[str] = set()


def wrong(fault: str) -> bool:
    return fault in FAULTS


class Failure(Exception):
    pass


class Client:
    def __init__(self, host: str, port: int, patience: float, authorities: str):
        self.patience = None if wrong("no-clock") else patience
        self.host = host
        self.tls = authorities != "-"
        self.authorities = authorities
        self.context = None
        self.buffer = b""
        self.socket = socket.create_connection((host, port), timeout=self.patience)

    # replies and commands

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            block = self.socket.recv(65536)
            if not block:
                raise Failure("the control connection ended")
            self.buffer += block
            if wrong("a-read-is-a-reply") and b"\n" not in self.buffer:
                self.buffer += b"\n"
            if len(self.buffer) > 100_000:
                raise Failure("a line does not end")
        line, _, self.buffer = self.buffer.partition(b"\n")
        if wrong("drops-what-follows"):
            self.buffer = b""
        return line.rstrip(b"\r")

    def reply(self) -> tuple[int, str]:
        first = self.line()
        if not re.match(rb"[1-5]\d\d[ -]", first):
            raise Failure(f"{first!r} is no reply")
        last, count = first, 0
        while first[3:4] == b"-" and not wrong("one-line"):
            last, count = self.line(), count + 1
            if last[:4] == first[:3] + b" " or (wrong("same-code-ends") and last[:3] == first[:3]):
                break
            if wrong("any-code-ends") and re.match(rb"\d\d\d ", last):
                break
            if count > 10_000:
                raise Failure("a reply does not end")
        text = last.decode("utf-8", "strict" if wrong("strict-utf8") else "surrogateescape")
        code = int(last[:3])
        if wrong("text-decides") and "error" in text.lower():
            code = 500
        return code, text[4:]

    def send(self, line: str) -> None:
        encoding = "latin-1" if wrong("latin-1-names") else "utf-8"
        if not wrong("raw-names") and re.search("[\r\n\0]", line):
            raise Failure("a name holds CR, LF or NUL")
        self.socket.sendall(line.encode(encoding, "replace") + (b"\n" if wrong("lf-alone") else b"\r\n"))

    def ask(self, line: str, *digits: int) -> tuple[int, str]:
        """Sends a command; Failure when the reply's first digit is another."""
        self.send(line)
        return self.expect(line, *digits)

    def expect(self, what: str, *digits: int) -> tuple[int, str]:
        code, text = self.reply()
        if digits and code // 100 not in digits:
            raise Failure(f"{what}: {code} {text}")
        return code, text

    # the session

    def begin(self, user: str, password: str) -> None:
        if wrong("talks-first"):
            self.send(f"USER {user}")
        code, _ = self.expect("greeting", 1, 2)
        if code // 100 == 1 and not wrong("120-is-all"):
            self.expect("greeting", 2)
        if self.tls:
            self._secure()
        if not wrong("talks-first"):
            self.send(f"USER {user}")
        if wrong("pipelines"):
            self.send("NOOP")
        code, text = self.expect("USER", 2, 3)
        if wrong("pipelines"):
            self.expect("NOOP", 2)
        if code // 100 == 3 or wrong("always-pass"):
            code, text = self.ask(f"PASS {password}")
        if code // 100 != 2 and not wrong("530-is-fine"):
            raise Failure(f"login: {code} {text}")
        if self.tls and not wrong("clear-data"):
            self.ask("PBSZ 0")
            code, text = self.ask("PROT P")
            if code // 100 != 2:
                if not wrong("prot-may-fail"):
                    raise Failure(f"PROT: {code} {text}")
                self.tls = False
        elif self.tls:
            self.tls = False
        if not wrong("ascii"):
            self.ask("TYPE I", *(() if wrong("type-may-fail") else (2,)))

    def _secure(self) -> None:
        import ssl

        code, text = self.ask("AUTH TLS")
        if code != 234:
            if not wrong("tls-if-it-goes"):
                raise Failure(f"AUTH: {code} {text}")
            self.tls = False
            return
        if self.buffer and not wrong("keeps-the-buffer"):
            raise Failure("something came in clear behind 234")
        self.context = ssl.create_default_context(cafile=self.authorities)
        if wrong("any-certificate"):
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        if wrong("any-host"):
            self.context.check_hostname = False
        if wrong("old-tls"):
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.set_ciphers("DEFAULT@SECLEVEL=0")
        self.socket = self.context.wrap_socket(self.socket, server_hostname=self.host)

    def dial(self) -> socket.socket:
        code, text = self.ask("EPSV", *((2,) if wrong("epsv-alone") else ()))
        host = self.host
        if code // 100 == 2:
            pattern = r"\(\|\|\|(\d+)\|\)" if wrong("bars-only") else r"\(([!-~])\1\1(\d+)\1\)"
            port = int(self._found(pattern, text)[-1])
        else:
            _, text = self.ask("PASV", 2)
            numbers = r"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)"
            parts = [int(part) for part in self._found(rf"\({numbers}\)" if wrong("brackets") else numbers, text)]
            if max(parts) > 255:
                raise Failure(f"227 {text}")
            port = parts[4] << 8 | parts[5]
            if wrong("believes-227"):
                host = ".".join(map(str, parts[:4]))
        return socket.create_connection((host, port), timeout=self.patience)

    @staticmethod
    def _found(pattern: str, text: str) -> tuple[str, ...]:
        match = re.search(pattern, text)
        if match is None:
            raise Failure(f"no port in {text!r}")
        return match.groups()

    def open(self, command: str, offset: int = 0) -> socket.socket:
        data = self.dial()
        if offset:
            code, text = self.ask(f"REST {offset}")
            if code // 100 != 3 and not wrong("rest-may-fail"):
                raise Failure(f"REST: {code} {text}")
            if wrong("rest-and-more"):
                self.ask("NOOP", 2)
        code, text = self.ask(command)
        if code // 100 != 1 or (wrong("exact-codes") and code != 150):
            data.close()
            raise Failure(f"{command}: {code} {text}")
        self.told = re.search(r"\((\d+) bytes\)", text)
        if self.tls and self.context is not None:
            data = self.context.wrap_socket(
                data, server_hostname=self.host, suppress_ragged_eofs=wrong("ragged-ends"), session=self.socket.session
            )
        return data

    def confirm(self, command: str) -> None:
        if wrong("no-last-word"):
            return
        try:
            code, text = self.reply()
        except Failure:
            if wrong("an-end-will-do"):
                return
            raise
        if code // 100 != 2 or (wrong("exact-codes") and code != 226):
            raise Failure(f"{command}: {code} {text}")

    def receive(self, command: str, write, most: int | None = None, offset: int = 0) -> int:
        moved = 0
        with self.open(command, offset) as data:
            if wrong("believes-150") and self.told:
                most = int(self.told[1])
            if wrong("226-ends-data"):
                self.confirm(command)
                data.settimeout(0.05)
            try:
                while (most is None or moved < most) and (block := data.recv(65536)):
                    write(block if most is None else block[: most - moved])
                    moved += len(block)
            except OSError as error:
                late = wrong("226-ends-data") and isinstance(error, TimeoutError)
                if not late and not (wrong("a-reset-will-do") and isinstance(error, ConnectionResetError)):
                    raise
            self._end(data)
        if not wrong("226-ends-data"):
            self.confirm(command)
        return moved

    def _end(self, data: socket.socket) -> None:
        if hasattr(data, "unwrap") and not wrong("no-close-notify"):
            with contextlib.suppress(OSError):
                data.settimeout(0)
                data.unwrap()

    def end(self) -> None:
        if not wrong("no-goodbye"):
            self.socket.settimeout(1)
            with contextlib.suppress(Failure, OSError):
                self.ask("QUIT")
        self.socket.close()

    # deeds

    def get(self, path: str, local: Path) -> None:
        code, text = self.ask(f"SIZE {path}")
        size = int(text) if code == 213 and text.isdigit() else None
        growing = local if wrong("under-the-name") else local.with_name(local.name + ".part")
        with growing.open("wb") as file:
            moved = self.receive(f"RETR {path}", file.write)
        if size not in (None, moved) and not wrong("no-comparing"):
            raise Failure(f"{moved} of {size} octets came")
        growing.replace(local)

    def resume(self, path: str, local: Path) -> None:
        growing = local.with_name(local.name + ".part")
        size = int(self.ask(f"SIZE {path}", 2)[1])
        with growing.open("ab") as file:
            self.receive(f"RETR {path}", file.write, offset=file.tell())
            if file.tell() != size and not wrong("no-comparing"):
                raise Failure(f"{file.tell()} of {size} octets")
        growing.replace(local)

    def put(self, path: str, local: Path) -> None:
        with self.open(f"STOR {path}") as data:
            try:
                data.sendall(local.read_bytes())
                self._end(data)
            except OSError:
                if not wrong("sent-is-sent"):
                    self.confirm("STOR")
                    raise
        self.confirm(f"STOR {path}")

    def list(self, path: str, local: Path) -> None:
        found = bytearray()
        self.receive(f"NLST {path}".strip(), found.extend, 8192 if wrong("short-listing") else None)
        sys.stdout.buffer.write(found)

    def tree(self, path: str, local: Path) -> None:
        local.mkdir(exist_ok=True)
        found = bytearray()
        self.receive(f"MLSD {path}", found.extend)
        for line in found.decode("utf-8", "surrogateescape").splitlines():
            facts, _, name = line.partition(" ")
            if name in (".", "..") or (re.search("[/\0]", name) and not wrong("any-name")):
                continue
            if "type=dir" in facts:
                if not (local / name).is_symlink():
                    self.tree(f"{path}/{name}", local / name)
            elif "type=file" in facts:
                try:
                    self.get(f"{path}/{name}", local / name)
                except Failure:
                    if not wrong("holes-will-do"):
                        raise


def main(arguments: list[str]) -> int:
    FAULTS.update(arguments.pop(0).split("+") if len(arguments) == 10 else ())
    deed, host, port, user, password, path, local, patience, authorities = arguments
    try:
        client = Client(host, int(port), float(patience), authorities)
        client.begin(user, password)
        getattr(client, deed)(path, Path(local))
        client.end()
    except (Failure, OSError, UnicodeError, ValueError) as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
