"""Tools: what a model may ask for, how it is called, and what it answers."""
