"""The reference chain: questions about Python, answered from the docstrings of its standard library."""
