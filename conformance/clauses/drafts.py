"""Drafts that servers and clients have taken up: HASH, and MFMT with its kin."""

from conformance.clauses import Clause

CLAUSES = (
    Clause(
        "draft-bryan-ftpext-hash s.3", "HASH: algorithm, range, digest and path of a whole file, as RETR would send it"
    ),
    Clause("draft-bryan-ftpext-hash s.3.1", "algorithms in FEAT, the selected one with an asterisk"),
    Clause("draft-bryan-ftpext-hash s.3.2", "OPTS HASH asks and selects, for its own session"),
    Clause("draft-bryan-ftpext-hash s.3.3", "ranges by RANG", "RANG is a draft of its own that no server here does"),
    Clause("draft-bryan-ftpext-hash s.3.4", "how clients use it", "of clients"),
    Clause("draft-bryan-ftpext-hash s.3.5", "its refusals"),
    Clause("draft-bryan-ftpext-hash s.5", "SHA-1 at least, and nothing weaker by itself"),
    Clause("draft-bryan-ftpext-hash s.6", "only for who may read, and never of what was there before"),
    Clause("draft-bryan-ftpext-hash app.B", "XCRC, XMD5, XSHA1, XSHA256, XSHA512, as they are in use"),
    Clause("draft-somers-ftp-mfxx s.3.1", "MFMT sets the time when a file changed"),
    Clause("draft-somers-ftp-mfxx s.3.2", "its refusals"),
    Clause("draft-somers-ftp-mfxx s.3.3", "MFMT in FEAT"),
    Clause(
        "draft-somers-ftp-mfxx s.4", "MFCT sets the time when a file was made", "that it is there; few file systems can"
    ),
    Clause("draft-somers-ftp-mfxx s.5.1", "MFF sets facts, all or none"),
    Clause("draft-somers-ftp-mfxx s.5.2", "its refusals"),
    Clause("draft-somers-ftp-mfxx s.5.3", "MFF in FEAT with its facts"),
)
