"""The example of a loop of tool calls comes to its end with a model of OpenAI, too: over HTTP, with real requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openai_answers import Answer, call
from openai_server import answering, openai_server

pytest.importorskip("openai")
EXAMPLE = Path(__file__).parent.parent / "examples" / "tool_calls.py"


def asking(*calls: tuple[str, dict[str, Any]]) -> Answer:
    asked = [call(at, name, json.dumps(args)) for at, (name, args) in enumerate(calls)]
    return Answer({"content": None, "tool_calls": asked}, reason="tool_calls")


def test_a_model_that_asks_for_tools_is_answered_until_it_asks_no_more() -> None:
    with openai_server() as server:
        server.replies.extend(
            answering(answer)
            for answer in (
                asking(("population", {"city": "Bern"}), ("population", {"city": "Ys"})),
                asking(("add", {"numbers": ["134591", 9]})),
                Answer({"content": "134600 people."}),
            )
        )
        environment = {**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
        ran = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLE, "How many?"],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "How many?",
        "  population({'city': 'Bern'}) -> 134591 [success]",
        "  population({'city': 'Ys'}) -> nothing is known of Ys; there are Bern, Rome, Oslo [error]",
        "  add({'numbers': ['134591', 9]}) -> 134600 [success]",
        "134600 people.",
    ]
    first, second, third = server.requests
    assert [each["function"]["name"] for each in first["tools"]] == ["population", "add"]
    assert first["tools"][0]["function"]["parameters"]["properties"] == {
        "city": {"type": "string", "description": "in English"}
    }
    told = [message for message in second["messages"] if message["role"] == "tool"]
    assert [(each["tool_call_id"], each["content"][:6]) for each in told] == [
        ("call_0", "134591"),
        ("call_1", "nothin"),
    ]
    assert third["messages"][-1] == {"role": "tool", "content": "134600", "tool_call_id": "call_0"}
