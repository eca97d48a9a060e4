"""RFC 2228, security extensions; and RFC 4217, which does them by TLS."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("RFC 2228 s.3 AUTH", "a mechanism is agreed on, in any case; the login begins afresh"),
    Clause("RFC 2228 s.3 ADAT", "data of the security exchange, which TLS does not use"),
    Clause("RFC 2228 s.3 PBSZ", "the size of protected blocks, before PROT and after the security exchange"),
    Clause("RFC 2228 s.3 PROT", "how data are protected: clear at first, then as was asked"),
    Clause("RFC 2228 s.3 CCC", "nothing in clear counts after the security exchange, unless CCC was granted"),
    Clause("RFC 2228 s.3 MIC, CONF, ENC", "wrapped commands, which TLS does not use"),
    Clause("RFC 2228 s.4", "login without a password", "no server here knows its users by certificates"),
    Clause("RFC 2228 s.5", "codes 2yz to 6yz of these commands", "judged with the command that they answer"),
    Clause("RFC 2228 s.8", "protected blocks on data connections", "TLS is a stream and has none (RFC 4217 s.9)"),
    Clause("RFC 4217 s.4.1", "a client that wants protection asks with AUTH TLS", "of clients; the answer is in s.4.2"),
    Clause(
        "RFC 4217 s.4.2",
        "AUTH TLS is answered 234; a server may refuse what comes before; parameters begin afresh",
        "TYPE, MODE and STRU after AUTH; the login is judged by RFC 2228 s.3 AUTH",
    ),
    Clause("RFC 4217 s.5", "which code refuses CCC", "PBSZ and PROT after CCC was granted"),
    Clause("RFC 4217 s.6", "FEAT lists AUTH TLS, PBSZ and PROT"),
    Clause("RFC 4217 s.7", "whoever dials, the FTP server is the TLS server of a data connection"),
    Clause(
        "RFC 4217 s.8", "AUTH TLS leaves data as they were; PROT at any time", "judged by s.9; the names are in s.17"
    ),
    Clause("RFC 4217 s.9", "PBSZ 0, then PROT C or P; data as was agreed, each connection with a handshake of its own"),
    Clause(
        "RFC 4217 s.10.1",
        "what a server may deny in clear, and the end of a handshake that fails",
        "that a command in clear ends it is judged by RFC 2228 s.3 CCC",
    ),
    Clause(
        "RFC 4217 s.10.2",
        "what the server asks of a data connection: protection, a handshake, perhaps a resumed session",
        "the code 521",
    ),
    Clause("RFC 4217 s.10.3", "the client's view of the control connection", "of clients"),
    Clause("RFC 4217 s.10.4", "the client's view of the data connection", "of clients"),
    Clause("RFC 4217 s.11", "who decides on protection", "a discussion; what it leads to is s.4.2 and s.9"),
    Clause("RFC 4217 s.12", "dialogues", "examples of the clauses before"),
    Clause("RFC 4217 s.13", "REIN is answered under protection, and ends it"),
    Clause("RFC 4217 s.14", "ABOR and STAT do not depend on urgent data, which TLS has not"),
    Clause("RFC 4217 s.15", "security", "refers to RFC 2228, and its parts follow"),
    Clause("RFC 4217 s.15.1.1", "the server's certificate, the same on data connections"),
    Clause("RFC 4217 s.15.1.2", "certificates of clients", "no server here asks for one"),
    Clause("RFC 4217 s.15.2", "RFC 2577 under TLS", "judged by RFC 2577, over TLS too"),
    Clause("RFC 4217 s.15.3", "CCC is a risk, and may be refused", "judged by s.5"),
    Clause("RFC 4217 s.17", "the mechanism is TLS, and TLS-C its older name"),
    Clause("MS-FTPS", "what no RFC has: ports on which TLS comes first, and AUTH SSL"),
    Clause("RFC 7301 s.3.2", "the protocol that a client offers in its handshake"),
    Clause("RFC 8446 s.4.2.1", "versions of TLS"),
    Clause("RFC 8446 s.5.1", "messages of the handshake may come in pieces"),
    Clause("RFC 8446 s.6.1", "close_notify before the end, by both sides; an end without one is a cut"),
    Clause("RFC 8996 s.5", "TLS 1.0 and 1.1 are not used"),
    Clause("RFC 9325 s.3.1.1", "TLS 1.3 is offered"),
    Clause("RFC 9325 s.3.3", "no compression"),
    Clause("RFC 9325 s.4.1", "no ciphers without encryption or authentication"),
)
