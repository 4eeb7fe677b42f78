"""Language models: their kinds, how they answer, those for tests, and what stands before them."""
