"""How chains are seen, and the command line."""
