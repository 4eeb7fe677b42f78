"""How chains are seen, and the command line."""

from anabranch.viz.drawing import draw
from anabranch.viz.pictures import Picture
from anabranch.viz.rendering import RenderingError

__all__ = ["Picture", "RenderingError", "draw"]
