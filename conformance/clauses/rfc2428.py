"""RFC 2428, EPRT and EPSV; and RFC 2577, what an FTP server must not be used for."""

from conformance.clauses import Clause

CLAUSES = (
    Clause(
        "RFC 2428 s.2",
        "EPRT: protocol, address and port between any delimiter; 522 names the protocols",
        "IPv6 where the server has it",
    ),
    Clause("RFC 2428 s.3", "EPSV: 229 with a port alone, on the host and protocol of the control connection"),
    Clause("RFC 2428 s.4", "EPSV ALL: nothing but EPSV from then on"),
    Clause("RFC 2428 s.5", "security", "an address in EPRT is judged by RFC 2577 s.3"),
    Clause("RFC 2577 s.2", "the bounce attack", "described here; s.3 says what to do"),
    Clause("RFC 2577 s.3", "no data connections to ports below 1024"),
    Clause("RFC 2577 s.4", "the host at the other end of a data connection is that of the control connection"),
    Clause("RFC 2577 s.5", "wrong passwords are slow and few"),
    Clause("RFC 2577 s.6", "privacy", "judged by RFC 4217"),
    Clause("RFC 2577 s.7", "names of users are not told apart"),
    Clause("RFC 2577 s.8", "passive ports are hard to guess, and serve their own client"),
    Clause("RFC 2577 s.9", "faults of programs", "a warning, not a duty"),
)
