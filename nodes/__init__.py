"""What users touch: runnables, and the prompts, models, parsers and retrievers made of them."""

from anabranch.engine.chunks import AddableDict, fold
from anabranch.engine.config import RunnableConfig
from anabranch.nodes import making as _making
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.branches import RouterRunnable, RunnableBranch
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurables import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    RunnableConfigurableAlternatives,
    RunnableConfigurableFields,
)
from anabranch.nodes.dags import RunnableDag, from_dag
from anabranch.nodes.decorators import chain
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.parallels import RunnableMap, RunnableParallel
from anabranch.nodes.passthrough import RunnableAssign, RunnablePassthrough, RunnablePick
from anabranch.nodes.policies import RunnableRetry, RunnableWithFallbacks
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence
from anabranch.nodes.serializable import RunnableSerializable
