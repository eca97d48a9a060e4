"""Verb -> row: who answers it and with which right. Its keys are those of the protocol's table; a test holds that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftlite.config.rights import Right
from ftlite.protocol.native import requests
from ftlite.protocol.replies import Reply
from ftlite.protocol.verbs import VERBS
from ftlite.server.call import Call, Row
from ftlite.server.handlers import digests, info, listings, login, names, ports, small, transfers
from ftlite.server.handlers.native import digests as native_digests
from ftlite.server.handlers.native import files, switch, tree_uploads, trees, uploads
from ftlite.server.handlers.native import listings as native_listings
from ftlite.server.handlers.native import wait as native_wait
from ftlite.server.tagged import TagRow


async def site(call: Call) -> Reply:
    """SITE: the subcommand has a row of its own, right and all."""
    command = call.command.value
    row = SITE_ROWS[command.verb.name]
    return await row.handler(Call(call.session, command, row))


_PLAIN: dict[str, Row] = {
    # who: RFC 959 s.4.1.1, RFC 2228, RFC 4217
    "USER": Row(login.user),
    "PASS": Row(login.password),
    "ACCT": Row(login.account),
    "REIN": Row(login.reinitialize),
    "QUIT": Row(login.quit_),
    "AUTH": Row(login.auth),
    "PBSZ": Row(login.buffer_size),
    "PROT": Row(login.protection),
    "CCC": Row(login.clear_control),
    # what the server says: RFC 959 s.4.1.3, RFC 2389
    "NOOP": Row(info.noop),
    "SYST": Row(info.system),
    "STAT": Row(info.status, Right.LIST),
    "HELP": Row(info.help_),
    "FEAT": Row(info.features),
    "OPTS": Row(info.options),
    "CLNT": Row(info.client_name),
    "HOST": Row(info.refuse_host),
    "LANG": Row(info.refuse_language),
    "SMNT": Row(info.refuse_mount),
    "SITE": Row(site),
    # how bytes travel: RFC 959 s.4.1.2, RFC 2428, RFC 3659 s.5
    "TYPE": Row(info.type_),
    "MODE": Row(info.mode),
    "STRU": Row(info.structure),
    "ALLO": Row(info.allocate),
    "REST": Row(info.restart),
    "PASV": Row(ports.passive),
    "EPSV": Row(ports.extended_passive),
    "PORT": Row(ports.active),
    "EPRT": Row(ports.active),
    # transfers
    "RETR": Row(transfers.retrieve, Right.GET, job=True, at_once=small.retrieve),
    "STOR": Row(transfers.store, names_new=True, job=True),
    "STOU": Row(transfers.store_unique, Right.PUT, names_new=True, job=True),
    "APPE": Row(transfers.append, names_new=True, job=True),
    "ABOR": Row(transfers.abort),
    "LIST": Row(listings.listing, Right.LIST, job=True),
    "NLST": Row(listings.listing, Right.LIST, job=True),
    "MLSD": Row(listings.listing, Right.LIST, job=True),
    "WAIT": Row(native_wait.plain, job=True),
    "DONE": Row(switch.stray_done),
    # names
    "PWD": Row(names.where),
    "CWD": Row(names.change, Right.LIST),
    "CDUP": Row(names.up, Right.LIST),
    "MKD": Row(names.make_directory, Right.MKDIR, follow=False),
    "RMD": Row(names.remove_directory, Right.RMDIR, follow=False),
    "DELE": Row(names.remove, Right.DELETE, follow=False),
    "RNFR": Row(names.rename_from, Right.RENAME, follow=False),
    "RNTO": Row(names.rename_to, Right.RENAME, follow=False, names_new=True),
    "SIZE": Row(names.size, Right.LIST),
    "MDTM": Row(names.modified, Right.LIST),
    "MFMT": Row(names.set_modified, Right.META),
    "MFF": Row(names.set_facts, Right.META),
    "MLST": Row(names.facts_of, Right.LIST),
    # digests
    "HASH": Row(digests.hash_, Right.GET, job=True),
    "XSHA256": Row(digests.extension("SHA-256"), Right.GET, job=True),
    "XCRC": Row(digests.extension("CRC32"), Right.GET, job=True),
    "XMD5": Row(digests.extension("MD5"), Right.GET, job=True),
}

SITE_ROWS: Mapping[str, Row] = {
    "CHMOD": Row(names.site_chmod, Right.META),
    "UTIME": Row(names.site_utime, Right.META),
    "HELP": Row(info.site_help),
}

#: Request of the native dialect -> row.
TAG_ROWS: Mapping[type[Any], TagRow] = {
    requests.GetRequest: TagRow("GET", files.get, Right.GET),
    requests.PutRequest: TagRow("PUT", uploads.put, names_new=True),
    requests.FailRequest: TagRow("PUT", uploads.fail, data=False, names_new=True),
    requests.GetTreeRequest: TagRow("GET", trees.get_tree, Right.LIST | Right.GET),
    requests.PutTreeRequest: TagRow("PUT", tree_uploads.put_tree, names_new=True),
    requests.ListRequest: TagRow("LIST", native_listings.listing, Right.LIST),
    requests.HashRequest: TagRow("HASH", native_digests.hash_, Right.GET, data=False),
    requests.WaitRequest: TagRow("WAIT", native_wait.tagged_wait, data=False, waits=True),
}


def tag_row(request: requests.Request) -> TagRow:
    """How `request` is answered."""
    return TAG_ROWS[type(request)]


ROWS: Mapping[str, Row] = {name: _PLAIN[verb.alias_of or name] for name, verb in VERBS.items()}
