"""What was said in a conversation: where it is kept, and how a chain remembers it."""
