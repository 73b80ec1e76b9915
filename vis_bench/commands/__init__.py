"""The commands behind the command line: parse, call, print."""
