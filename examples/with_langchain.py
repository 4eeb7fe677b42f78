"""LangChain's own objects in a chain of ours, and a chain of ours in a graph of LangGraph's.

    python examples/with_langchain.py

It needs `pip install "anabranch[langchain]" langgraph`.
"""

from __future__ import annotations

from importlib.util import find_spec
from operator import itemgetter

from anabranch.nodes import ChatPromptTemplate, FakeListChatModel, RunnableLambda, StrOutputParser, to_langchain

MISSING = [package for package in ("langchain_core", "langgraph") if find_spec(package) is None]


def main() -> None:
    """Run both."""
    from langchain_core.language_models import FakeListChatModel as TheirModel
    from langchain_core.output_parsers import CommaSeparatedListOutputParser
    from langgraph.graph import END, START, MessagesState, StateGraph

    # A prompt of ours, a model and a parser of LangChain's; any provider's chat model stands here as this one does.
    chain = (
        ChatPromptTemplate.from_template("Name three {things}.")
        | TheirModel(responses=["oak, ash, elm"])
        | CommaSeparatedListOutputParser()
    )
    print("as they come:", *chain.stream({"things": "trees"}))
    for event in chain.stream_events({"things": "trees"}, include_types=["chat_model"]):
        if event["event"] != "on_chat_model_stream":
            print(event["event"], event["name"])

    # A chain of ours as the only node of a graph. It takes and gives LangChain's messages.
    answering = FakeListChatModel(responses=["Among the trees."]) | StrOutputParser()
    node = RunnableLambda(itemgetter("messages")) | answering | (lambda text: {"messages": [("ai", text)]})
    graph = StateGraph(MessagesState)
    graph.add_node("answer", to_langchain(node))
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    for message in graph.compile().invoke({"messages": [("human", "Where are you?")]})["messages"]:
        print(f"{message.type}: {message.content}")


if __name__ == "__main__":
    if MISSING:
        print(f'This example needs {" and ".join(MISSING)}: pip install "anabranch[langchain]" langgraph')
    else:
        main()
