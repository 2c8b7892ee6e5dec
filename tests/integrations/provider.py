"""A provider of models, over HTTP on this machine: it speaks OpenAI's chat completions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]
Answer = Callable[[list[Message]], Message]
"""What it answers to the messages of a request."""


def call_of(name: str, arguments: dict[str, Any]) -> Message:
    """The model calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "tool_calls": [{"id": "c0", "type": "function", "function": function}]}


class Provider(ThreadingHTTPServer):
    """See the module.

    Attributes:
        asked: the requests, as they came.
        failures: the statuses of the next answers.
        url: what a client is given.
    """

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Message] = []
        self.failures: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        if self.server.failures:
            self._say(self.server.failures.pop(0), {"error": {"message": "busy", "code": "overloaded"}})
            return
        message = self.server.answer(asked["messages"])
        choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in message else "stop", "message": message}
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        about = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
        self._say(200, about | {"choices": [choice], "usage": usage})

    def _say(self, status: int, body: Message) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None: ...


@contextmanager
def serving(answer: Answer) -> Iterator[Provider]:
    """A provider, while inside."""
    server = Provider(answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
