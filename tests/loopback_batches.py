"""The loopback server's files and batches: OpenAI's Batch API in memory, its states and faults scripted per batch."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

STATES = ("validating", "in_progress", "finalizing", "completed")
ENDED = {"completed", "failed", "expired", "cancelled"}

Fate = Callable[[dict[str, Any], int], "dict[str, Any] | None"]
"""From a line of an input file and the number of its batch (from 1) to its line in the error file; None answers it."""


def expired_line(line: dict[str, Any]) -> dict[str, Any]:
    """A request that the batch did not come to in time."""
    error = {"code": "batch_expired", "message": "This request could not be executed before the batch expired."}
    return {"id": "r", "custom_id": line["custom_id"], "response": None, "error": error}


def status_line(line: dict[str, Any], status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """A request that the model's endpoint answered with an error."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    response = {"status_code": status, "request_id": "x", "body": body}
    return {"id": "r", "custom_id": line["custom_id"], "response": response, "error": None}


class BatchDesk:
    """Files and batches.

    Args:
        complete: Makes a chat completion's JSON of a request's JSON.

    Attributes:
        states: From a batch's number (from 1) to the states that successive looks find; the last one stays.
        fate: Which lines fail.
        errors: From a batch's number to the errors of a batch that fails as a whole.
        paid: Requests answered, by custom id.
        after: Called with method and path once a step is done; True drops the connection in place of the answer.
    """

    def __init__(self, complete: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.complete = complete
        self.states: Callable[[int], tuple[str, ...]] = lambda number: STATES
        self.fate: Fate = lambda line, number: None
        self.errors: Callable[[int], list[dict[str, Any]]] = lambda number: []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.after: Callable[[str, str], bool] = lambda method, path: False

    def answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[int, bytes] | None:
        """Status and body; None drops the connection after the step was done."""
        status, body = self._answer(method, path, headers, content)
        if self.after(method, path):
            return None
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def _answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[int, Any]:
        match (method, *path.removeprefix("/v1/").split("/")):
            case ("POST", "files"):
                return 200, self._upload(headers, content)
            case ("GET", "files", file_id, "content") if file_id in self.files:
                return 200, self.files[file_id]
            case ("POST", "batches"):
                return self._create(json.loads(content))
            case ("GET", "batches"):
                return 200, {"object": "list", "data": list(self.batches.values())[::-1], "has_more": False}
            case ("GET", "batches", batch_id) if batch_id in self.batches:
                return 200, self._look(batch_id)
        return 404, {"error": {"message": f"No such path {path}", "type": "error", "param": None, "code": None}}

    def _upload(self, headers: dict[str, str], content: bytes) -> dict[str, Any]:
        boundary = headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = [part.partition(b"\r\n\r\n") for part in content.split(b"--" + boundary)]
        (head, body), *_ = [(head, body) for head, _, body in parts if b"filename=" in head]
        name = re.search(rb'filename="([^"]*)"', head)
        assert name and name[1].endswith(b".jsonl")
        file_id = self._keep("file-in", body.removesuffix(b"\r\n"))
        return {"id": file_id, "object": "file", "bytes": len(body), "created_at": 0, "filename": "x.jsonl",
                "purpose": "batch", "status": "processed"}  # fmt: skip

    def _keep(self, kind: str, content: bytes) -> str:
        file_id = f"{kind}-{len(self.files) + 1}"
        self.files[file_id] = content
        return file_id

    def _create(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        file_id = asked["input_file_id"]
        if file_id not in self.files:
            return 400, {"error": {"message": f"No such file {file_id}", "type": "error", "param": None, "code": None}}
        number = len(self.batches) + 1
        batch = {
            "id": f"batch_{number}", "object": "batch", "endpoint": asked["endpoint"], "input_file_id": file_id,
            "completion_window": "24h", "status": "validating", "created_at": int(time.time()),
            "output_file_id": None, "error_file_id": None, "errors": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }  # fmt: skip
        self.batches[str(batch["id"])] = batch
        return 200, batch

    def _look(self, batch_id: str) -> dict[str, Any]:
        batch = self.batches[batch_id]
        number = int(batch_id.removeprefix("batch_"))
        states = self.states(number)
        status = states[min(self.looks[batch_id], len(states) - 1)]
        self.looks[batch_id] += 1
        if status in ENDED and batch["status"] not in ENDED:
            if status == "failed":
                batch["errors"] = {"object": "list", "data": self.errors(number)}
            else:
                self._work(batch, number, status)
        batch["status"] = status
        return batch

    def _work(self, batch: dict[str, Any], number: int, status: str) -> None:
        good, bad = [], []
        for text in self.files[batch["input_file_id"]].splitlines():
            line = json.loads(text)
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            fallen = self.fate(line, number)
            if fallen is not None:
                bad.append(fallen)
                continue
            self.paid[line["custom_id"]] += 1
            response = {"status_code": 200, "request_id": "x", "body": self.complete(line["body"])}
            good.append({"id": "r", "custom_id": line["custom_id"], "response": response, "error": None})
        batch["request_counts"] = {"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)}
        for name, lines in (("output_file_id", good[::-1]), ("error_file_id", bad)):  # in no order, as documented
            if lines:
                written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                batch[name] = self._keep("file-out", written.encode())
