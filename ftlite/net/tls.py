"""TLS contexts of the server, and the public key that a certificate stands for.

Every session gets an SSLContext of its own: a data connection can then resume only the TLS session of its own control
connection, because no other context has the keys of its tickets. All functions block (1 to 2 ms); call them from a
worker. `cryptography` is imported where it is used: who only connects with a CA needs none of it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ftlite.net.errors import Kind, NetError

if TYPE_CHECKING:
    from cryptography import x509

PROTOCOLS = ("ftp", "ftlite")  #: ALPN, in our order of preference
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_YEARS = 10
_SOON = 14  # days before its end that a certificate is worth a warning


class ServerTls:
    """The server's certificate and key, and contexts made of them.

    The pair is validated and copied (0600) into one file of the state directory, which contexts are made from: a
    renewal that is half written never reaches a session, and the last good pair survives the loss of the original.

    Args:
        certificate: PEM chain, leaf first.
        key: PEM private key, without a passphrase.
        state_dir: the server's own directory; made when it is missing.
        minimum: "1.2" or "1.3".

    Attributes:
        pin: ``sha256//BASE64`` of the public key.
        warning: a sentence when the certificate is expired, or soon will be; else None.

    Raises:
        NetError: TLS when the pair is unusable and no good copy of it is left from before.
    """

    def __init__(self, certificate: Path, key: Path, state_dir: Path, minimum: str = "1.2") -> None:
        self._certificate = certificate
        self._key = key
        self._minimum = _VERSIONS[minimum]
        # Named after its source: several servers may share a state directory.
        source = f"{certificate.absolute()}\0{key.absolute()}".encode("utf-8", "surrogateescape")
        self._pair = state_dir / "tls" / f"pair-{hashlib.sha256(source).hexdigest()[:16]}.pem"
        self.warning: str | None = None
        self.pin = ""
        try:
            self.reload()
        except NetError as error:
            try:
                self._adopt(self._pair.read_bytes())
            except OSError:
                raise error from None
            self.warning = f"{error.message}; the copy of the last good pair is used"

    def reload(self) -> None:
        """Take the pair as it is in its files now, for contexts made from now on.

        Raises:
            NetError: TLS when it is unusable; the pair before stays in use.
        """
        try:
            pair = self._certificate.read_bytes().rstrip() + b"\n" + self._key.read_bytes()
        except OSError as error:
            raise NetError(Kind.TLS, f"{error.filename} cannot be read: {error.strerror}") from error
        try:
            _make_private_directory(self._pair.parent)
            _write_private(self._pair, pair, check=lambda path: (self._load(path), self._leaf(pair)))
        except OSError as error:
            raise NetError(Kind.TLS, f"{self._pair} cannot be written: {error.strerror}") from error
        self._adopt(pair)

    def session_context(self) -> ssl.SSLContext:
        """A fresh context for one session: its control connection and all its data connections.

        Raises:
            NetError: TLS when the copy in the state directory has been removed or damaged.
        """
        return self._load(self._pair)

    @staticmethod
    def no_more_tickets(context: ssl.SSLContext) -> None:
        """Call after the control handshake. A ticket on a data connection that the client never reads would be unread
        bytes when it closes, and so an RST that destroys the end of its upload."""
        context.num_tickets = 0

    def _adopt(self, pair: bytes) -> None:
        certificate = self._leaf(pair)
        self.pin = spki_pin(certificate)
        self.warning = _expiry(certificate, self._certificate)

    def _leaf(self, pair: bytes) -> x509.Certificate:
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificates(pair)[0]
        except ValueError as error:  # OpenSSL takes forms that nothing else reads
            raise NetError(Kind.TLS, f"{self._certificate} cannot be read as a PEM certificate: {error}") from error

    def _load(self, pair: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(pair, password=_no_password)
        except ssl.SSLError as error:
            reason = (error.reason or "they are no PEM pair").replace("_", " ").lower()
            names = f"{self._certificate} and {self._key}"
            raise NetError(Kind.TLS, f"{names} cannot be used as certificate and key: {reason}") from error
        except (OSError, ValueError) as error:
            raise NetError(Kind.TLS, f"{self._certificate} and {self._key} cannot be used: {error}") from error
        context.minimum_version = self._minimum
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(PROTOCOLS)
        return context


def spki_pin(certificate: bytes | x509.Certificate | None) -> str:
    """``sha256//BASE64`` of the public key (RFC 7469 s.2.4), which outlives renewals that keep the key.

    Args:
        certificate: DER, as `getpeercert(True)` gives it.

    Raises:
        NetError: TLS when there is none, or it cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        if not isinstance(certificate, x509.Certificate):
            certificate = x509.load_der_x509_certificate(certificate or b"")
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as error:
        raise NetError(Kind.TLS, "the certificate cannot be read") from error
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


def ensure_self_signed(state_dir: Path) -> tuple[Path, Path]:
    """Certificate and key below `state_dir`, made at the first call and the same ever after.

    ECDSA P-256, for localhost, this host's name and the loopback addresses. Ten years: clients trust the key itself,
    by pin or on first use, as with ssh; an expiry would protect nobody and stop every client at once.

    Raises:
        NetError: TLS when the files cannot be written.
    """
    directory = state_dir / "tls"
    certificate, key = directory / "self-signed.pem", directory / "self-signed.key"
    if certificate.exists() and key.exists():
        return certificate, key
    try:
        _make_private_directory(directory)
        made, secret = _make_self_signed()
        # The certificate comes last: when it is there, its key is.
        _write_private(key, secret)
        _write_private(certificate, made)
    except OSError as error:
        raise NetError(Kind.TLS, f"{error.filename or directory} cannot be written: {error.strerror}") from error
    return certificate, key


def _make_self_signed() -> tuple[bytes, bytes]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    names = dict.fromkeys(name for name in ("localhost", host) if name.isascii() and 0 < len(name) < 64)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, list(names)[-1])])
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(subject, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def _expiry(certificate: x509.Certificate, path: Path) -> str | None:
    import datetime

    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    day = certificate.not_valid_after_utc.date()
    if left.total_seconds() < 0:
        return f"the certificate {path} expired on {day}; clients that verify it will refuse"
    return f"the certificate {path} expires on {day}" if left.days < _SOON else None


def _no_password() -> str:
    raise ValueError("the key is protected by a passphrase, which nobody is here to type")


def _make_private_directory(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write_private(path: Path, content: bytes, check: Callable[[Path], object] | None = None) -> None:
    """Write `path` with mode 0600, whole or not at all, and only if `check` of the new file raises nothing."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(Path(name))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
