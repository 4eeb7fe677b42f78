"""`fold` and `afold` by the names that LangChain has for them."""

from anabranch.engine.chunks import afold as aadd
from anabranch.engine.chunks import fold as add

__all__ = ["aadd", "add"]
