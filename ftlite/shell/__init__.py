"""The shell: the commands of the command line from where one stands on a server, typed, scripted or in a file."""
