"""RFC 854, Telnet, as far as control connections follow it."""

from conformance.clauses import Clause

CLAUSES = (
    Clause(
        "RFC 854",
        "options that are not known are refused, and spoil no command",
        "IAC AYT, EC and EL: no client sends them in FTP",
    ),
)
