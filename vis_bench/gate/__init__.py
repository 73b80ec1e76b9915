"""The regression gate: today's code against a stored baseline. Definitions: docs/gate.md."""
