"""What functions and classes take, as pydantic models and as JSON schemas."""
