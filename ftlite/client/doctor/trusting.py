"""Encryption: which versions of TLS the server takes, and who its certificate says it is. Nothing is recorded here."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve

from ftlite.client.address import Scheme
from ftlite.client.control import Control
from ftlite.client.doctor.findings import Finding, Patient, Verdict, fail, ok, skip, warn
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.known import CA
from ftlite.client.login import Target, Unverified, dial, handshake
from ftlite.client.trust import Plan, Trust, UnknownServer
from ftlite.config.tlsmode import TlsMode
from ftlite.net.errors import NetError
from ftlite.net.tls import spki_pin

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_VERSIONS = {
    "1.3": ssl.TLSVersion.TLSv1_3,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.0": ssl.TLSVersion.TLSv1,
}
_GOOD = ("1.3", "1.2")
_SOON = 21  # days


async def versions(patient: Patient) -> Finding:
    """Which versions of TLS the server takes."""
    target = patient.target
    if target.tls is TlsMode.OFF:
        return warn("--tls off: passwords and files travel readable", "drop --tls off, if the server can encrypt")
    taken = {}
    for version, number in _VERSIONS.items():
        try:
            taken[version] = await _takes(target, number, old=version not in _GOOD)
        except _NoAuth as refusal:
            required = target.tls is TlsMode.REQUIRED
            text = f"the server does not encrypt: AUTH TLS was answered {refusal}"
            if not required:
                return warn(text, "everything travels readable; have the server's owner switch TLS on", tls=False)
            remedy = "have the server's owner switch TLS on; only if clear text is acceptable, say --tls off"
            return fail(ClientError(Outcome.TLS, text, remedy=remedy), tls=False)
    have = [version for version, takes in taken.items() if takes]
    text = f"TLS {' and '.join(reversed(have))}" if have else "no version of TLS that we know"
    if not any(version in _GOOD for version in have):
        remedy = "the server needs TLS 1.2 or 1.3; 'ftps://' and 'ftpes://' differ in when TLS begins"
        return fail(ClientError(Outcome.TLS, f"{text}: 1.2 is the least that we speak", remedy=remedy), versions=have)
    if len(have) > 2 or (set(have) - set(_GOOD)):
        return warn(text, "versions before 1.2 are broken (RFC 8996): the server's owner should switch them off",
                    versions=have)  # fmt: skip
    return ok(text, versions=have)


class _NoAuth(Exception):
    """AUTH TLS was refused; str() is the reply."""


async def _encrypted(target: Target, plan: Plan) -> Control:
    """A control connection up to its handshake by `plan`, the caller's to close.

    Raises:
        _NoAuth, Unverified, ClientError.
    """
    control = await dial(target)
    try:
        if target.address.scheme is not Scheme.FTPS:
            await control.greeting()
            answer = await control.ask("AUTH", "TLS")
            if not answer.completed:
                raise _NoAuth(f"{answer.code} {answer.first}")
        await handshake(control, target, plan)
    except BaseException:
        await control.close()
        raise
    return control


async def _takes(target: Target, version: ssl.TLSVersion, *, old: bool) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is why we ask
            context.minimum_version = context.maximum_version = version
        if old:
            context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL would not even offer them
    except (ValueError, ssl.SSLError):
        return False
    try:
        control = await _encrypted(target, Plan(context))
    except ClientError as error:
        if error.outcome is not Outcome.TLS:
            raise
        return False
    await control.close()
    return True


async def certificate(patient: Patient) -> Finding:
    """Who the server is, who says so, and whether that is good enough."""
    target = patient.target
    if target.tls is TlsMode.OFF:
        return skip("--tls off: nobody shows a certificate")
    try:
        control = await _encrypted(target, Trust.second_plan())
    except _NoAuth:
        return skip("the server does not encrypt")
    assert isinstance(control.stream, trio.SSLStream)
    der = control.stream.getpeercert(binary_form=True)
    await control.close()
    try:
        shown, pin = await trio.to_thread.run_sync(_read, der)
    except (ValueError, NetError):
        return fail(ClientError(Outcome.TLS, f"the certificate of {target.thing} cannot be read"))
    facts, text = _facts(shown, pin)
    verdict = await _judged(target, pin)
    merged = {**verdict.facts, **facts}
    if verdict.verdict is Verdict.FAIL:
        return evolve(verdict, found=f"{text}; {verdict.found}", facts=merged)
    left = facts["days_left"]
    if left < _SOON and verdict.verdict is Verdict.OK:
        ends = f"it expires in {left} days" if left >= 0 else f"it expired {-left} days ago"
        remedy = "have it renewed; a pin survives that where the key stays"
        return warn(f"{text}; {verdict.found}; {ends}", remedy, **merged)
    return evolve(verdict, found=f"{text}; {verdict.found}", facts=merged)


def _read(der: bytes | None) -> tuple[Certificate, str]:
    from cryptography import x509

    return x509.load_der_x509_certificate(der or b""), spki_pin(der)


def _facts(shown: Certificate, pin: str) -> tuple[dict[str, Any], str]:
    """What the certificate says, for programs and for people."""
    from cryptography import x509

    try:
        extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(each.value) for each in extension]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    subject, issuer = shown.subject.rfc4514_string(), shown.issuer.rfc4514_string()
    ends = shown.not_valid_after_utc
    facts = {
        "subject": subject, "issuer": issuer, "names": names, "expires": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_left": (ends - datetime.now(UTC)).days, "pin": pin,
    }  # fmt: skip
    by = "signed by itself" if subject == issuer else f"signed by {issuer}"
    who = f"{subject or 'no name'} ({', '.join(names[:4])})" if names else subject or "no name"
    return facts, f"{who}, {by}, until {ends:%Y-%m-%d}; key {pin}"


async def _judged(target: Target, pin: str) -> Finding:
    """Whether we would go on, and by what."""
    trust = target.trust
    try:
        plan = await trio.to_thread.run_sync(trust.plan)
        recorded = await trio.to_thread.run_sync(trust.recorded)
        if plan.pin is not None:
            if pin != plan.pin:
                await trio.to_thread.run_sync(trust.verified, plan, pin)  # it raises, and says why
            how = "the pin that was given" if trust.pin is not None else "the key in known_servers"
            return ok(f"it is {how}", trusted_by=plan.pin)
        control = await _encrypted(target, plan)
    except Unverified as cause:
        if trust.known is not None and recorded == CA:
            return fail(trust.known.changed(trust.name, CA, f"{pin} ({cause})"))
        unknown = UnknownServer(trust.name, pin, str(cause))
        if trust.known is not None and trust.known.accept_new and trust.cacert is None:
            return warn(f"nobody vouches for it ({cause})", "--accept-new remembers this key", trusted_by=None)
        told = f"if that is the server's key: ftlite trust add {trust.name} {pin}"
        found = ClientError(Outcome.TLS, f"nobody vouches for it ({unknown.cause})", remedy=told)
        return fail(found, trusted_by=None)
    except ClientError as error:
        return fail(error)
    await control.close()
    by = f"the authorities in {trust.cacert}" if trust.cacert is not None else "the system's authorities"
    return ok(f"{by} vouch for it" + (", as before" if recorded == CA else ""), trusted_by=CA)
