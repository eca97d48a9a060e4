"""pyftpdlib as a program: `python -m tests.peers.pyftpd ROOT USER PASSWORD [PEM]`; prints its port and serves."""

from __future__ import annotations

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer


def main(root: str, user: str, password: str, pem: str | None = None) -> None:
    logging.basicConfig(level=logging.ERROR)
    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, root, perm="elradfmwMT")
    handler: type[FTPHandler] = FTPHandler
    if pem is not None:
        handler = TLS_FTPHandler
        handler.certfile = pem
        handler.tls_control_required = True
        handler.tls_data_required = True
    handler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", 0), handler, backlog=1024)
    server.max_cons = 10_000
    server.max_cons_per_ip = 0
    print(f"port {server.address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
