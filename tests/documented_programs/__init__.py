"""Programs in the manner of LangChain's documentation, with models that answer what was written down for them."""
