"""LangChain's objects as nodes, and ours as objects of LangChain's."""
