"""What the server says of itself and of the session: SYST STAT HELP FEAT OPTS CLNT NOOP ALLO HOST LANG."""

from __future__ import annotations

from ftlite.protocol.entries import Kind
from ftlite.protocol.listings import choose_facts, list_line, mlst_feature
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import Login
from ftlite.protocol.text import printable
from ftlite.protocol.verbs import SITE_VERBS, VERBS
from ftlite.server.call import Call
from ftlite.server.handlers.native.switch import offer, switch_on
from ftlite.server.listing import in_directory, now_ns
from ftlite.server.refusals import Refused
from ftlite.storage.digests import ALGORITHMS
from ftlite.storage.granted import Granted

#: Entries that STAT tells of one directory. A reply is made and sent on the event loop, so it must not be a long one;
#: larger directories are what LIST is for.
_MOST_IN_STATUS = 2000
_NATIVE_HELP = "OPTS FTLITE 1: the native dialect, GET PUT DONE LIST NLST MLSD HASH WAIT ABOR with tags."


async def system(call: Call) -> Reply:
    """SYST: the answer that makes clients read our listings as ls's (RFC 959 s.4.1.3)."""
    return reply(215, "UNIX Type: L8")


async def noop(call: Call) -> Reply:
    """NOOP."""
    return reply(200, "Yes.")


async def allocate(call: Call) -> Reply:
    """ALLO: the dialogue keeps the size; an upload is refused early and checked at its end by it."""
    return reply(200, "Noted.")


async def client_name(call: Call) -> Reply:
    """CLNT: logged, since it explains what a client does."""
    call.session.event("session.client", client=printable(call.command.value))
    return reply(200, "Hello.")


async def status(call: Call) -> Reply:
    """STAT: of the session, or of a name as LIST would say it, over the control connection (RFC 959 s.4.1.3)."""
    if call.command.value:
        return await _status_of_name(call)
    session = call.session
    version, cipher = session.channel.describe_tls()
    lines = [
        f"Connected from {session.peer}",
        f"Logged in as {printable(session.user.name)}" if session.user else "Not logged in",
        f"Control connection: {version} {cipher}" if version else "Control connection: in clear",
        f"Type {session.dialogue.type_}, data protection {session.dialogue.protection}",
    ]
    if session.job is not None:
        lines.append(f"{session.job.command.verb.name}: {session.job.moved} bytes moved so far")
    lines += [
        f"{tagged.row.verb} of tag {tagged.tag}, {printable(tagged.path)}: {tagged.moved} bytes moved so far"
        for tagged in session.tagged.values()
    ]
    return reply(211, "Status of the session:", *lines, "End.")


async def _status_of_name(call: Call) -> Reply:
    limit = min(call.services.config.limits.listing, _MOST_IN_STATUS)

    def look(place: Granted) -> tuple[int, list[str]]:
        entry = call.store.stat(place)
        inside = entry.kind is Kind.DIR
        entries = in_directory(call.gate, call.store, place, limit) if inside else [entry]
        now = now_ns()
        return 212 if inside else 213, [list_line(entry, now) for entry in entries]

    code, lines = await call.at(look)
    return reply(code, "Status:", *lines, "End.")


async def help_(call: Call) -> Reply:
    """HELP, of all verbs or of one (RFC 959 s.4.1.3)."""
    word = (call.command.value or "").upper()
    if word and word not in VERBS:
        raise Refused(reply(501, f"{printable(word)} is not a verb here."))
    if word:
        return reply(214, f"{word}: {VERBS[word].summary}")
    names = sorted(VERBS)
    rows = [" ".join(f"{name:<9}" for name in names[at : at + 8]).rstrip() for at in range(0, len(names), 8)]
    return reply(214, "Verbs:", *rows, _NATIVE_HELP, "HELP VERB says more.")


async def site_help(call: Call) -> Reply:
    """SITE HELP."""
    return reply(214, "SITE commands:", *(f"{name}: {verb.summary}" for name, verb in SITE_VERBS.items()), _NATIVE_HELP)


async def features(call: Call) -> Reply:
    """FEAT (RFC 2389 s.3.2), derived from the verb table; lines that depend on settings are filled in here."""
    session = call.session
    chosen = session.options
    values = {
        "MLST": mlst_feature(chosen.facts),
        "HASH": "HASH " + ";".join(f"{name}{'*' if name == chosen.hash_algorithm else ''}" for name in ALGORITHMS),
        "FTLITE": offer(call.services).feature(),
    }
    lines = [values.get(verb.feat, verb.feat) for verb in VERBS.values() if verb.feat]
    if call.services.tls is None:
        lines = [line for line in lines if line.split()[0] not in ("AUTH", "PBSZ", "PROT")]
    if session.dialogue.login is not Login.IN:
        lines = [line for line in lines if line != values["FTLITE"]]
    return reply(211, "Features:", *(f" {line}" for line in [*dict.fromkeys(lines), "UTF8", "TVFS"]), "End")


async def options(call: Call) -> Reply:
    """OPTS UTF8, MLST, HASH and FTLITE (RFC 2389 s.4, RFC 3659 s.7.9, draft-bryan-ftpext-hash s.3.3)."""
    name, value = call.command.value
    chosen = call.session.options
    match name.upper():
        case "UTF8" | "UTF-8":
            if value.upper() not in ("", "ON"):
                raise Refused(reply(501, "Names are always UTF-8 here."))
            return reply(200, "Names are UTF-8.")
        case "MLST":
            chosen.facts = choose_facts(value.split(";"))
            return reply(200, " ".join(["MLST OPTS", "".join(f"{fact};" for fact in chosen.facts)]).rstrip())
        case "HASH":
            if value and value.upper() not in ALGORITHMS:
                raise Refused(reply(501, f"Choose from {', '.join(ALGORITHMS)}."))
            chosen.hash_algorithm = value.upper() or chosen.hash_algorithm
            return reply(200, chosen.hash_algorithm)
        case "FTLITE":
            return await switch_on(call, value)
    raise Refused(reply(501, f"{printable(name)} has no options here."))


async def refuse_host(call: Call) -> Reply:
    """HOST: one server, one name (RFC 7151 s.3.2 lets it be 504)."""
    raise Refused(reply(504, "There is one host here."))


async def refuse_language(call: Call) -> Reply:
    """LANG: English only (RFC 2640 s.4)."""
    raise Refused(reply(504, "Replies are in English."))


async def refuse_mount(call: Call) -> Reply:
    """SMNT."""
    raise Refused(reply(502, "There is nothing to mount here."))


async def type_(call: Call) -> Reply:
    """TYPE; the dialogue keeps it."""
    return reply(200, f"Type is {call.command.value}.")


async def mode(call: Call) -> Reply:
    """MODE S, the only one."""
    return reply(200, "Mode is stream.")


async def structure(call: Call) -> Reply:
    """STRU F, the only one."""
    return reply(200, "Structure is file.")


async def restart(call: Call) -> Reply:
    """REST (RFC 3659 s.5); the dialogue keeps the offset for the next transfer."""
    return reply(350, f"Restarting at {call.command.value}; send RETR or STOR next.")
