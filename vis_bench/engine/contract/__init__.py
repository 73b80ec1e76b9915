"""What every method promises, as checks that can be run on any of them: `vis-bench methods check`."""
