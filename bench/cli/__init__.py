"""The command line: one module per command; torch and everything heavy is imported when a command runs."""
