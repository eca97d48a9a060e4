"""RFC 2640, other letters than English ones."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("RFC 2640 s.2.1", "ISO 10646 is the character set", "seen through its encoding, s.2.2"),
    Clause("RFC 2640 s.2.2", "UTF-8 in names, in the shortest form"),
    Clause("RFC 2640 s.3.1", "names have eight bits; CR in a name travels as CR NUL"),
    Clause("RFC 2640 s.3.2", "servers list UTF8 as a feature, and may keep names as they came"),
    Clause("RFC 2640 s.3.3", "the user's side", "clauses for clients"),
    Clause("RFC 2640 s.4.1", "LANG goes back to the default without a language"),
    Clause("RFC 2640 s.4.2", "LANG takes a language that is spoken, and refuses others with 504"),
    Clause("RFC 2640 s.4.3", "FEAT lists the languages, and may mark the one that is spoken"),
    Clause("RFC 2640 s.5", "security", "nothing to be seen on the wire beyond s.2.2"),
)
