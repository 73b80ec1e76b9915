"""Around the work of a process: locks, the machine, failures, progress."""
