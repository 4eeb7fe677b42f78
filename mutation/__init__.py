"""Mutation testing of the engine and the scheduler: a small change is made to the code, and a test ought to fail."""
