"""What systemd says to a service and wants to hear from it (sd_listen_fds(3), sd_notify(3)), by stdlib alone."""

from __future__ import annotations

import os
import socket

_FIRST = 3  # SD_LISTEN_FDS_START


def inherited_sockets() -> tuple[int, ...]:
    """Descriptors of the listening sockets that systemd opened for us; none when it did not.

    The variables are taken out of the environment, so that no child takes them for its own.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return ()
    numbers = tuple(range(_FIRST, _FIRST + int(count)))
    for number in numbers:
        os.set_inheritable(number, False)
    return numbers


def notify(state: str) -> None:
    """Tell systemd ``READY=1`` or ``STOPPING=1``; nothing when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:  # a supervisor that went away must not take the service along
            return
