"""Chains run in virtual time, one interleaving of their threads and tasks at a time."""
