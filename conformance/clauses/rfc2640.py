"""RFC 2640, other letters than English ones."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("RFC 2640 s.2.1", "ISO 10646 is the character set", "seen through its encoding, s.2.2"),
    Clause("RFC 2640 s.2.2", "UTF-8 in names, all eight bits, in the shortest form"),
    Clause("RFC 2640 s.3.1", "CR in a name travels as CR NUL"),
    Clause("RFC 2640 s.3.2", "servers list UTF8 as a feature and keep names as they came"),
    Clause("RFC 2640 s.3.3", "the user's side", "clauses for clients"),
    Clause("RFC 2640 s.4.1", "LANG takes a language, goes back to the default without one, refuses others"),
    Clause("RFC 2640 s.4.2", "the grammar of LANG", "judged with s.4.1"),
    Clause("RFC 2640 s.4.3", "FEAT lists the languages and marks the one that is spoken"),
    Clause("RFC 2640 s.5", "security", "nothing to be seen on the wire beyond s.2.2"),
)
