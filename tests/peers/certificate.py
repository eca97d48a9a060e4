"""A throwaway authority and a server certificate for 127.0.0.1 and localhost, as PEM files."""

from __future__ import annotations

from pathlib import Path

import trustme
from attrs import frozen


@frozen
class Certificate:
    """Paths of PEM files. `both` is key and chain in one file, as vsftpd and Pure-FTPd like it."""

    authority: Path
    chain: Path
    key: Path
    both: Path


def make_certificate(directory: Path) -> Certificate:
    """Makes an authority and a certificate signed by it below `directory`, which is created."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    made = Certificate(*(directory / name for name in ("authority.pem", "chain.pem", "key.pem", "both.pem")))
    authority.cert_pem.write_to_path(made.authority)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(made.chain, append=True)
    issued.private_key_pem.write_to_path(made.key)
    issued.private_key_and_cert_chain_pem.write_to_path(made.both)
    for private in (made.key, made.both):
        private.chmod(0o600)
    return made
