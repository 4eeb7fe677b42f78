"""The blocking driver for chunks."""
def stream(*a): raise NotImplementedError
