"""Documents and what finds them: retrievers, embeddings, vector stores."""
