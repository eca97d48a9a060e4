"""Who may read what is published: mode, group, access ACL and label follow the target, or the directory's defaults.

A part grows as 0600 and is dressed under its hidden name, so no reader ever sees a half-prepared file.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress

from ftlite.storage.syscalls import pin, proc

_ACCESS = "system.posix_acl_access"
_DEFAULT = "system.posix_acl_default"
_LABEL = "security.selinux"
_ENTRY = struct.Struct("<HHI")  # tag, permissions, id; after a header of 32 bits (linux/posix_acl_xattr.h)
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20
_ABSENT = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS)


def default_acl(directory: int) -> bytes | None:
    """The ACL that a new name in `directory` begins with, as the kernel writes it; None where there is none."""
    return _attribute(proc(directory), _DEFAULT)


def dress(fd: int, parent: int, name: bytes, existing: os.stat_result | None, *, mode: int | None, umask: int) -> None:
    """Give a part what it will have when `name` in `parent` is its name.

    Args:
        existing: lstat of what it replaces, whose mode, ACL, group and label it takes; None: it is new and takes the
            parent's default ACL, or 0666 & ~umask, and the group of a setgid parent.
        mode: asked for by the client; masked to 0777 & ~umask.
    """
    if existing is None:
        above = os.fstat(parent)
        group = above.st_gid if above.st_mode & stat.S_ISGID else os.getegid()
        inherited = default_acl(parent)
        acl = None if inherited is None else narrowed(inherited, 0o666)
        bits = None if acl is not None else 0o666 & ~umask
    else:
        group = existing.st_gid
        acl = _of_name(fd, parent, name)
        bits = existing.st_mode & 0o777
    if mode is not None:
        bits = mode & 0o777 & ~umask
    owned = _give_group(fd, group)
    if acl is not None:
        os.setxattr(fd, _ACCESS, acl)
    else:
        _remove_acl(fd)
    if bits is None:
        bits = os.fstat(fd).st_mode & 0o777
    if not owned:  # the bits were meant for another group than the one that would get them
        bits &= 0o707 | (bits & 0o007) << 3
    os.fchmod(fd, bits)


def seed(fd: int, above: int) -> None:
    """Let what is made in a hidden directory take on what it would have taken on in the directory `above`.

    That is: the default ACL and, where `above` is setgid, its group.
    """
    inherited = default_acl(above)
    if inherited is not None:
        os.setxattr(fd, _DEFAULT, inherited)
    facts = os.fstat(above)
    if facts.st_mode & stat.S_ISGID and _give_group(fd, facts.st_gid):
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | stat.S_ISGID)


def dress_directory(fd: int, parent: int, name: bytes, existing: os.stat_result | None, *, umask: int) -> None:
    """Give a hidden directory what it will have when `name` in `parent` is its name.

    Args:
        existing: lstat of the directory that it replaces, whose mode, ACLs, group and label it takes; None: it is new,
            and is as mkdir would make it there.
    """
    if existing is None:
        above = os.fstat(parent)
        special = above.st_mode & stat.S_ISGID
        group = above.st_gid if special else os.getegid()
        inherited = default_acl(parent)
        acl = None if inherited is None else narrowed(inherited, 0o777)
        bits = None if acl is not None else 0o777 & ~umask
    else:
        special = existing.st_mode & (stat.S_ISGID | stat.S_ISVTX)
        group = existing.st_gid
        inherited = _default_of_name(parent, name)
        acl = _of_name(fd, parent, name)
        bits = existing.st_mode & 0o777
    owned = _give_group(fd, group)
    for attribute, value in ((_ACCESS, acl), (_DEFAULT, inherited)):
        if value is not None:
            os.setxattr(fd, attribute, value)
        else:
            _remove_acl(fd, attribute)
    if bits is None:
        bits = os.fstat(fd).st_mode & 0o777
    if not owned:  # as for files; and a setgid bit would hand down the wrong group
        bits &= 0o707 | (bits & 0o007) << 3
        special &= ~stat.S_ISGID
    os.fchmod(fd, bits | special)


def narrowed(acl: bytes, mode: int) -> bytes:
    """A default ACL as the access ACL of a file that is created with `mode` (acl(5), "object creation")."""
    entries = list(_ENTRY.iter_unpack(acl[4:]))
    group = _MASK if any(tag == _MASK for tag, _, _ in entries) else _GROUP_OBJ
    most = {_USER_OBJ: mode >> 6 & 7, group: mode >> 3 & 7, _OTHER: mode & 7}
    return acl[:4] + b"".join(_ENTRY.pack(tag, allow & most.get(tag, 7), who) for tag, allow, who in entries)


def _of_name(fd: int, parent: int, name: bytes) -> bytes | None:
    """The access ACL of a name, whose SELinux label is copied to `fd` on the way, best effort."""
    held = pin(parent, name)
    try:
        with suppress(OSError):
            label = _attribute(proc(held), _LABEL)
            if label is not None:
                os.setxattr(fd, _LABEL, label)
        return _attribute(proc(held), _ACCESS)
    finally:
        os.close(held)


def _default_of_name(parent: int, name: bytes) -> bytes | None:
    held = pin(parent, name)
    try:
        return default_acl(held)
    finally:
        os.close(held)


def _attribute(path: str, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _remove_acl(fd: int, name: str = _ACCESS) -> None:
    try:
        os.removexattr(fd, name)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise


def _give_group(fd: int, group: int) -> bool:
    if os.fstat(fd).st_gid == group:
        return True
    try:
        os.fchown(fd, -1, group)
    except PermissionError:
        return False
    return True
