"""Prompts and traces of MLflow's unmodified client, made in a process of its own.

Run with MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN and a name of one's own as the argument;
prints the ids as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.service import clean_environment

EVIL = "<script>document.title = 'pwned'</script><img src=x onerror=\"document.title='pwned'\">"


def made_with_real_client(url: str, token: str, name: str) -> dict[str, str]:
    """Run this file as a user's program would; the ids of what it made."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.genai_work", name],
        cwd=Path(__file__).parents[1],
        env=clean_environment({"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": token}),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def make(name: str) -> dict[str, str]:
    """A prompt of two versions, a chat prompt, a nested trace, one that failed, a hostile one."""
    import mlflow
    from mlflow.entities import AssessmentSource, SpanType

    genai: Any = mlflow.genai
    ids = {"experiment": mlflow.set_experiment(f"assistant {name}").experiment_id}
    text, chat = f"answer-{name}", f"chat-{name}"
    genai.register_prompt(
        text, "Answer in {{ language }}.\nBe brief.\n{{question}}", commit_message="first words"
    )
    genai.register_prompt(
        text,
        "Answer in {{ language }}.\nBe thorough.\n{{question}}",
        commit_message=f"more {EVIL}",
        tags={"team": "support"},
        model_config={"model_name": "small", "temperature": 0.2},
    )
    genai.set_prompt_alias(text, "production", 1)
    genai.register_prompt(
        chat,
        [
            {"role": "system", "content": "You are {{ style }}."},
            {"role": "user", "content": "{{question}}"},
        ],
    )

    @mlflow.trace(span_type=SpanType.RETRIEVER)
    def find(words: str) -> list[dict[str, Any]]:
        return [{"page_content": f"about {words}", "metadata": {"doc_uri": "note-1"}}]

    @mlflow.trace(span_type=SpanType.CHAT_MODEL)
    def complete(messages: list[dict[str, str]]) -> dict[str, Any]:
        span = mlflow.get_current_active_span()
        usage = {"input_tokens": 11, "output_tokens": 6, "total_tokens": 17}
        span.set_attribute("mlflow.chat.tokenUsage", usage)
        return {"choices": [{"message": {"role": "assistant", "content": "Forty-two."}}]}

    @mlflow.trace
    def check(words: str) -> None:
        raise ValueError(f"cannot check {words}")

    @mlflow.trace(span_type=SpanType.AGENT)
    def answer(question: str) -> dict[str, Any]:
        mlflow.update_current_trace(
            tags={"channel": "mail"},
            metadata={"mlflow.trace.session": f"session {name}", "mlflow.trace.user": "ana"},
        )
        genai.load_prompt(f"prompts:/{text}@production")
        find(question)
        with suppress(ValueError):
            check(question)
        return complete([{"role": "user", "content": question}])

    def last() -> str:
        mlflow.flush_trace_async_logging()
        return str(mlflow.get_last_active_trace_id())

    with mlflow.start_run() as run:
        answer("What is the answer?")
        ids["trace"] = last()
    ids["run"] = run.info.run_id
    who = AssessmentSource("HUMAN", "ana")
    mlflow.log_feedback(
        trace_id=ids["trace"], name="helpful", value=True, rationale="It is right.", source=who
    )
    try:
        check("this")
    except ValueError:
        ids["failed"] = last()

    @mlflow.trace(name=f"{EVIL} evil")
    def evil(given: str) -> dict[str, str]:
        mlflow.update_current_trace(tags={"evil": EVIL})
        return {EVIL: given}

    evil(EVIL + "long" * 300_000)
    ids["evil"] = last()
    for number in range(60):
        mlflow.trace(lambda number: number, name=f"step {number}")(number)
    last()
    return {**ids, "text": text, "chat": chat}


if __name__ == "__main__":
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    sys.stdout.write(json.dumps(make(sys.argv[1])) + "\n")
