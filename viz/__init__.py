"""How chains are seen, and the command line."""

from anabranch.viz.drawing import draw
from anabranch.viz.explaining import explain
from anabranch.viz.explanations import Explanation
from anabranch.viz.pictures import Picture
from anabranch.viz.rendering import RenderingError
from anabranch.viz.run_recorders import RunRecorder
from anabranch.viz.run_records import record_of
from anabranch.viz.step_runs import RunRecord, StepRun
from anabranch.viz.timelines import timeline

__all__ = [
    "Explanation",
    "Picture",
    "RenderingError",
    "RunRecord",
    "RunRecorder",
    "StepRun",
    "draw",
    "explain",
    "record_of",
    "timeline",
]
