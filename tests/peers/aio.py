"""aioftp as a program: `python -m tests.peers.aio ROOT USER PASSWORD [PEM]`; prints its port and serves."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys

import aioftp


async def main(root: str, user: str, password: str, pem: str | None = None) -> None:
    logging.basicConfig(level=logging.CRITICAL)
    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    server = aioftp.Server([aioftp.User(user, password, base_path=root)], ssl=context)
    await server.start("127.0.0.1", 0, backlog=1024)
    print(f"port {server.server_port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
