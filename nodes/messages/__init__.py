"""What is said to models and what they answer: messages, their chunks, what is done with lists of them."""
