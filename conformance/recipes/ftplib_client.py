"""ftplib called the way its documentation shows, so that the suite can judge it: deed host port user password path
local timeout [authorities]."""

from __future__ import annotations

import ftplib
import ssl
import sys
from pathlib import Path


def _connected(host: str, port: str, user: str, password: str, timeout: str, authorities: str) -> ftplib.FTP:
    if not authorities:
        ftp = ftplib.FTP(timeout=float(timeout))  # noqa: S321
        ftp.connect(host, int(port))
        ftp.login(user, password)
        return ftp
    context = ssl.create_default_context(cafile=authorities)
    secured = ftplib.FTP_TLS(context=context, timeout=float(timeout))  # noqa: S321
    secured.connect(host, int(port))
    secured.login(user, password)
    secured.prot_p()
    return secured


def main(arguments: list[str]) -> None:
    deed, host, port, user, password, path, local, timeout = arguments[:8]
    with _connected(host, port, user, password, timeout, "".join(arguments[8:])) as ftp:
        if deed == "get":
            with Path(local).open("wb") as file:
                ftp.retrbinary(f"RETR {path}", file.write)
        elif deed == "resume":
            with Path(local).open("ab") as file:
                ftp.retrbinary(f"RETR {path}", file.write, rest=file.tell())
        elif deed == "put":
            with Path(local).open("rb") as file:
                ftp.storbinary(f"STOR {path}", file)
        else:
            print("\n".join(ftp.nlst()))


if __name__ == "__main__":
    main(sys.argv[1:])
