"""What breaks, is killed, fills up, dawdles or lies: against a real server process and the real client.

Whatever happens, readers see old content or the complete new one, clients end with their code and one sentence, and
the server lives on without a `session.fault`: `support.served` looks for one at the end of every test.
"""
