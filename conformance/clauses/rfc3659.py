"""RFC 3659, MDTM, SIZE, REST, MLST, MLSD and TVFS."""

from conformance.clauses import Clause

_OFTEN = "where a server tells it, its form is judged with the others"

CLAUSES = (
    Clause("RFC 3659 s.2.1", "characters of the grammar", "judged with what is made of them"),
    Clause("RFC 3659 s.2.2", "names with blanks in them"),
    Clause("RFC 3659 s.2.3", "times: YYYYMMDDHHMMSS, in UTC"),
    Clause("RFC 3659 s.2.4", "replies of one line may have many", "a freedom, not a duty"),
    Clause("RFC 3659 s.3", "MDTM: when a file changed"),
    Clause("RFC 3659 s.3.1", "its form, 213 and a time"),
    Clause("RFC 3659 s.3.2", "its refusals"),
    Clause("RFC 3659 s.3.3", "MDTM in FEAT"),
    Clause("RFC 3659 s.4", "SIZE: bytes that RETR sends, in the type that is set"),
    Clause("RFC 3659 s.4.1", "its form, 213 and a number"),
    Clause("RFC 3659 s.4.2", "its refusals"),
    Clause("RFC 3659 s.4.3", "SIZE in FEAT"),
    Clause("RFC 3659 s.5.1", "REST in stream mode: transfers that go on, both ways"),
    Clause("RFC 3659 s.5.2", "what cannot go on is refused"),
    Clause("RFC 3659 s.5.3", "the offset: a number of any length, for the next transfer"),
    Clause("RFC 3659 s.5.4", "REST STREAM in FEAT"),
    Clause("RFC 3659 s.6", "TVFS: paths with slashes, dots, and a root"),
    Clause("RFC 3659 s.7.1", "MLST and MLSD, with a path and without"),
    Clause("RFC 3659 s.7.2", "entries: facts with semicolons, a blank, a name; 501 and 550"),
    Clause("RFC 3659 s.7.3", "names as they are, in UTF-8"),
    Clause("RFC 3659 s.7.4", "facts in general", "judged by s.7.2"),
    Clause("RFC 3659 s.7.5.1", "type"),
    Clause("RFC 3659 s.7.5.2", "unique"),
    Clause("RFC 3659 s.7.5.3", "modify"),
    Clause("RFC 3659 s.7.5.4", "create", _OFTEN),
    Clause("RFC 3659 s.7.5.5", "perm"),
    Clause("RFC 3659 s.7.5.6", "lang", _OFTEN),
    Clause("RFC 3659 s.7.5.7", "size"),
    Clause("RFC 3659 s.7.5.8", "media-type", _OFTEN),
    Clause("RFC 3659 s.7.5.9", "charset", _OFTEN),
    Clause("RFC 3659 s.7.5.10", "the facts that should be there"),
    Clause("RFC 3659 s.7.6", "facts of systems and local ones", _OFTEN),
    Clause("RFC 3659 s.7.8", "MLST in FEAT, asterisks with the facts that are sent"),
    Clause("RFC 3659 s.7.9", "OPTS MLST chooses facts"),
)
