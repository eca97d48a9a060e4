"""RFC 1123 s.4.1, what hosts have to do about FTP."""

from conformance.clauses import Clause

_S = "RFC 1123 s.4.1"

CLAUSES = (
    Clause(f"{_S}.2.1", "TYPE I and TYPE L 8, which are one on machines with octets", "TYPE L m of other word sizes"),
    Clause(f"{_S}.2.2", "TYPE A T is TYPE A N where a system does not tell them apart"),
    Clause(f"{_S}.2.3", "no page structure", "that it is not there is no fault; RFC 959 s.3.1.2.3 tells"),
    Clause(f"{_S}.2.4", "files and records can be turned into each other and back", "no server at hand has records"),
    Clause(f"{_S}.2.5", "clients send PORT for each transfer in stream mode", "a clause for clients"),
    Clause(f"{_S}.2.6", "PASV is there, once for each transfer, and its numbers are looked for without parentheses"),
    Clause(f"{_S}.2.7", "names of NLST can be used as they are; LIST and NLST do not go by TYPE"),
    Clause(
        f"{_S}.2.8",
        "what a server does of its own is under SITE",
        "verbs of one's own under other names cannot be listed",
    ),
    Clause(f"{_S}.2.9", "STOU names the file in its 1xx, as `FILE: name`"),
    Clause(f"{_S}.2.10", "a command ends where its line ends, and not where a packet does"),
    Clause(
        f"{_S}.2.11", "only correct replies, and those that RFC 959 has where they fit", "code by code in RFC 959 s.5.4"
    ),
    Clause(f"{_S}.2.12", "data connections from the address of the control connection; Telnet options refused"),
    Clause(f"{_S}.2.13", "what every server has"),
    Clause(f"{_S}.3.1", "the X forms of directory commands"),
    Clause(
        f"{_S}.3.2",
        "an idle session ends after five minutes or more, which can be set",
        "no case waits five minutes; that a timeout can be set is not on the wire",
    ),
    Clause(f"{_S}.3.3", "commands while data moves"),
    Clause(f"{_S}.3.4", "restart by markers", "in block and compressed mode, which no server at hand does"),
    Clause(f"{_S}.4", "the user's side", "clauses for clients"),
)
