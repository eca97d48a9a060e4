"""aioftp as a program: `python -m tests.peers.aio ROOT USER PASSWORD`; prints its port and serves, in clear only."""

from __future__ import annotations

import asyncio
import logging
import sys

import aioftp


async def main(root: str, user: str, password: str) -> None:
    logging.basicConfig(level=logging.ERROR)
    server = aioftp.Server([aioftp.User(user, password, base_path=root)])
    await server.start("127.0.0.1", 0)
    print(f"port {server.server_port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
