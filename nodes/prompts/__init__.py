"""Prompts, the templates that they are made of, and what is shown in them."""
