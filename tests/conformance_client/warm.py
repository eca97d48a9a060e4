"""Runs `ftlite` without starting Python anew each time: a server that has loaded it already forks for each call.

`python warm.py serve SOCKET`, and then `python warm.py call SOCKET ARGUMENT...` in place of `ftlite ARGUMENT...`: the
same streams, directory, environment and exit code, at a tenth of the CPU. Killing the call kills what it called.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys


def call(path: str, arguments: list[str]) -> int:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        wanted = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(server, [struct.pack("!I", len(wanted))], [0, 1, 2])
        server.sendall(wanted)
        answer = server.recv(1)
    return answer[0] if answer else 1


def serve(path: str) -> None:
    import importlib

    for name in ("cli.get", "cli.put", "cli.look", "cli.run", "cli.session", "client", "client.client", "client.tree"):
        importlib.import_module(f"ftlite.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                os._exit(_run(caller))
            caller.close()


def _run(caller: socket.socket) -> int:
    import threading

    from ftlite.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(caller, 4, 3)
    with caller.makefile("rb") as incoming:
        arguments, directory, environment = json.loads(incoming.read(struct.unpack("!I", size)[0]))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["ftlite", *arguments]

    def until_the_caller_is_gone() -> None:
        caller.recv(1)
        os._exit(137)

    threading.Thread(target=until_the_caller_is_gone, daemon=True).start()
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    caller.sendall(bytes([code]))
    return code


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[2], sys.argv[3:]))
