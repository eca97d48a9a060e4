"""Our server with other people's clients, our client with other people's servers; nothing is simulated."""
