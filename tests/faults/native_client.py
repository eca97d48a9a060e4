"""A client to be killed: ``python -m tests.faults.native_client HOST PORT PIN KIND SOURCE TARGET``.

It says that it is ready when it has logged in, begins when it is told to by a line, and says when it is done. The name
of the user and the password are in FTLITE_USER and FTLITE_PASSWORD; no pin ("-") is no TLS. KIND is put, get, put-tree
or get-tree; trees replace what stands there.
"""

from __future__ import annotations

import os
import sys

import trio

from ftlite.client import connect


async def _main(host: str, port: str, pin: str, kind: str, source: str, target: str) -> None:
    terms = {"tls": "off"} if pin == "-" else {"pin": pin}
    user, password = os.environ["FTLITE_USER"], os.environ["FTLITE_PASSWORD"]
    async with connect(host, user=user, password=password, port=int(port), **terms) as client:  # type: ignore[arg-type]
        print("ready", flush=True)
        sys.stdin.readline()
        match kind:
            case "put":
                await client.put(source, target)
            case "get":
                await client.get(source, target)
            case "put-tree":
                await client.put_tree(source, target, replace=True)
            case "get-tree":
                await client.get_tree(source, target, replace=True)
            case _:
                raise ValueError(kind)
        print("done", flush=True)


if __name__ == "__main__":
    trio.run(_main, *sys.argv[1:])
