"""The cases for clients, by subject."""
