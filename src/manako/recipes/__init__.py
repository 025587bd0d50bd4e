"""Whole runs as functions: what to call, how long it takes, what to expect."""
