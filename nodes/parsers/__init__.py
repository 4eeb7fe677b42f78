"""Parsers: from what a model said to what a program wants."""
