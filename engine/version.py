"""The version of the project, in this one place."""

__version__ = "0.1.0"
