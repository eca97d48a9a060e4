"""aioftp as a program: `python -m tests.peers.aioftpd ROOT USER PASSWORD [PEM]`; prints its port and serves."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from pathlib import Path

import aioftp


async def serve(root: str, user: str, password: str, pem: str | None = None) -> None:
    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    account = aioftp.User(user, password, base_path=Path(root), permissions=[aioftp.Permission("/")])
    server = aioftp.Server([account], ssl=context)
    await server.start("127.0.0.1", 0, backlog=1024)
    print(f"port {server.address[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(serve(*sys.argv[1:]))
