"""What ``--json`` says: every event with its fields. docs/json.md and docs/events.schema.json are made from this table
(scripts/generate.py), and the tests hold every event that a command writes against it. Nothing at run time reads it.
"""

from __future__ import annotations

from typing import Any

#: A JSON schema, and what the field means.
Field = tuple[dict[str, Any], str]

_PATH: Field = ({"type": "string"}, "path on the server, or relative to the mirrored directory")
_LOCAL: Field = ({"type": "string"}, "path here")
_SIZE: Field = ({"type": "integer", "minimum": 0}, "bytes of the whole file")
_BYTES: Field = ({"type": "integer", "minimum": 0}, "bytes that moved")
_EXIT: Field = ({"type": "integer", "minimum": 0, "maximum": 255}, "exit code (docs/cli.md)")
_TIME: Field = (
    {"type": "string", "pattern": r"^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$"},
    "time of the last change, UTC",
)
_VERIFIED: Field = ({"enum": ["digest", "size", "none"]}, "what success rests on")
_DIGEST: Field = ({"type": "string", "pattern": "^[a-z0-9]+:[0-9a-f]+$"}, "algorithm:hex, where digests were compared")
_SECONDS: Field = ({"type": "number", "minimum": 0}, "how long it took")
_MESSAGE: Field = ({"type": "string"}, "a sentence for people; its words may change")
_REASON: Field = (
    {"enum": ["new", "size", "time", "digest", "link", "kind", "extra"]},
    "why a mirror does it",
)
_COUNT: Field = ({"type": "integer", "minimum": 0}, "how many")
_KIND: Field = ({"enum": ["file", "dir", "link", "other"]}, "what it is")
_MODE: Field = ({"type": "string", "pattern": "^[0-7]{4}$"}, "permissions, octal")
_TEXT: Field = ({"type": "string"}, "text")
_OFFSET: Field = ({"type": "integer", "minimum": 0}, "where in the file the last attempt began")
_SKIPPED: Field = ({"type": "boolean"}, "nothing had to move: it stood there already")
_TARGET: Field = ({"type": "string"}, "where a link leads")
_MIRRORED: dict[str, Field] = {"path": _PATH, "reason": _REASON, "size": _SIZE, "target": _TARGET, "modify": _TIME}

#: event -> (when it is written, fields that are always there, fields that may be)
EVENTS: dict[str, tuple[str, dict[str, Field], dict[str, Field]]] = {
    "file": (
        "a file was moved, or stood there already",
        {"path": _PATH, "size": _SIZE, "bytes": _BYTES, "offset": _OFFSET, "skipped": _SKIPPED,
         "verified": _VERIFIED, "seconds": _SECONDS},
        {"local": _LOCAL, "digest": _DIGEST, "reason": _REASON, "target": _TARGET, "modify": _TIME},
    ),
    "progress": (
        "every 30 s for each thing that moves, where no bars show it",
        {"name": _TEXT, "bytes": _BYTES},
        {"total": _SIZE},
    ),
    "entry": (
        "ls, stat and find: a name and what the server tells of it",
        {"path": _PATH, "kind": _KIND},
        {"size": _SIZE, "modify": _TIME, "mode": _MODE, "owner": _TEXT, "group": _TEXT,
         "perm": ({"type": "string"}, "what may be done with it (RFC 3659 s.7.5.5)"), "target": _TARGET},
    ),
    "site": ("bookmark ls", {"name": _TEXT, "address": _TEXT}, {}),
    "server": (
        "trust ls",
        {"server": ({"type": "string"}, "HOST:PORT"),
         "trusted_by": ({"type": "string"}, "`ca`, or the key as sha256//..."),
         "native": ({"type": "boolean"}, "whether it spoke the native dialect")},
        {"since": ({"type": "string"}, "the day that it was recorded, UTC")},
    ),
    "step": (
        "doctor: one thing was looked at",
        {"step": _TEXT, "verdict": ({"enum": ["ok", "warn", "fail", "skip"]}, "how that ended"),
         "found": _MESSAGE, "seconds": _SECONDS},
        {"remedy": _MESSAGE, "outcome": ({"type": "string"}, "the kind of failure, in a word"),
         "facts": ({"type": "object"}, "what was found, for programs; other for each step")},
    ),
    "account": (
        "user ls: an account",
        {"name": _TEXT, "root": _TEXT, "home": _PATH,
         "rules": ({"type": "object", "additionalProperties": {"type": "string"}}, "rights by path")},
        {},
    ),
    "usage": ("du: a directory", {"path": _PATH, "size": _SIZE, "files": _COUNT}, {}),
    "hash": (
        "a digest",
        {"path": _PATH, "algorithm": _TEXT, "digest": ({"type": "string", "pattern": "^[0-9a-f]+$"}, "in hex"),
         "by": ({"enum": ["server", "client"]}, "who computed it")},
        {},
    ),
    "removed": ("a name was removed", {"path": _PATH}, {**_MIRRORED}),
    "made": ("a directory was made", {"path": _PATH}, {**_MIRRORED}),
    "linked": ("mirror made a link", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "touched": ("mirror set a time", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "renamed": ("a name became another", {"path": _PATH, "to": _PATH}, {}),
    "changed": ("chmod, touch: permissions or time were set", {"path": _PATH}, {"mode": _MODE}),
    "published": (
        "wait: it is there",
        {"path": _PATH, "kind": _KIND},
        {"size": _SIZE, "modify": _TIME, "version": ({"type": "string"}, "for `--since`")},
    ),
    "failed": ("put --failed: those who wait were told", {"path": _PATH}, {}),
    "skipped": ("something was left out: it cannot travel, or may not be read", {}, {"path": _PATH, "count": _COUNT}),
    "plan": (
        "mirror: what is to be done, before anything is",
        {"make": _COUNT, "copy": _COUNT, "link": _COUNT, "touch": _COUNT, "remove": _COUNT,
         "remove_directory": _COUNT, "bytes": _SIZE, "unchanged": _COUNT},
        {},
    ),
    "would-get": ("get -n", {"path": _PATH, "local": _LOCAL}, {"size": _SIZE}),
    "would-put": ("put -n", {"path": _PATH, "local": _LOCAL}, {"size": _SIZE}),
    "would-remove": ("rm -n, mirror -n", {"path": _PATH}, {**_MIRRORED}),
    "would-make": ("mirror -n", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "would-copy": ("mirror -n", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "would-link": ("mirror -n", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "would-touch": ("mirror -n", {"path": _PATH, "reason": _REASON}, {**_MIRRORED}),
    "status": (
        "the shell's status",
        {"server": _TEXT, "directory": _PATH, "greeting": _TEXT, "encrypted": _TEXT, "dialect": _TEXT,
         "round_trip": _TEXT, "running": _TEXT},
        {},
    ),
    "text": ("a line of what has no event of its own: pwd, jobs, set, help, quote and their like", {"text": _TEXT}, {}),
    "warning": ("something did not fail and should be known", {"message": _MESSAGE}, {}),
    "error": (
        "something failed",
        {"outcome": ({"type": "string"}, "the kind of failure, in a word"), "exit": _EXIT, "message": _MESSAGE},
        {"path": _PATH, "local": _LOCAL, "reason": _REASON},
    ),
    "summary": (
        "the last line",
        {"command": _TEXT, "ok": ({"type": "boolean"}, "whether the exit code is 0, or 12"), "exit": _EXIT},
        {"done": _COUNT, "failed": _COUNT, "bytes": _BYTES, "verified": _VERIFIED, "seconds": _SECONDS},
    ),
}  # fmt: skip

#: A name that is no UTF-8 has its exact bytes beside it, in base64.
EXACT = "_b64"


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of one line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line that ftlite --json writes",
        "oneOf": [event_schema(name) for name in EVENTS],
    }


def event_schema(name: str) -> dict[str, Any]:
    """The schema of one event."""
    told, always, sometimes = EVENTS[name]
    fields = {**always, **sometimes}
    properties: dict[str, Any] = {"event": {"const": name}}
    for field, (kind, meaning) in fields.items():
        properties[field] = {**kind, "description": meaning}
    return {
        "title": name,
        "description": told,
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^.+{EXACT}$": {"type": "string", "contentEncoding": "base64"}},
        "required": ["event", *always],
        "additionalProperties": False,
    }
