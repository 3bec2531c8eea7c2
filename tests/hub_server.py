"""A stand-in for the Hugging Face hub's interface on this machine, as far as putting up and reading a dataset needs it.

Answers are those that huggingface_hub's own code asks for; files that end in ``.parquet`` go by Git LFS, the others inside
the commit, as the hub has it.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

OWNER = "ann"


@dataclass
class StandInHub:
    """What it holds, and what it was asked.

    Attributes:
        token: The one that it takes.
        repos: Files of each dataset by name.
        private: Which datasets only their owner sees.
        asked: Method and path of each request.
        refused: Path by a status that it is answered with.
        branches: Files of a further branch by dataset and branch, such as ``refs/convert/parquet``.
        commit: Name of the newest commit of every dataset.
        sent: Bytes of each range of a file that was asked for, by its path.
        by_lfs: Endings of files that go by Git LFS.
    """

    token: str = "hf_" + "s3cret" * 6
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    by_lfs: tuple[str, ...] = (".parquet",)
    stored: dict[str, bytes] = field(default_factory=dict)
    branches: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    commit: str = "0" * 40
    sent: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers for a request of one who has the token."""
        for part, status in self.refused.items():
            if part in path:
                return status, {"error": "refused"}, {}
        if path == "/api/whoami-v2":
            return 200, {"name": OWNER, "type": "user"}, {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told.get('organization') or OWNER}/{told['name']}"
            if name in self.repos:
                return 409, {"error": "exists", "url": f"{self.url}/datasets/{name}"}, {}
            is_private = told.get("visibility") == "private" or bool(told.get("private"))  # by the client's version
            self.repos[name], self.private[name] = {}, is_private
            return 200, {"url": f"{self.url}/datasets/{name}"}, {}
        if path.startswith("/lfs/"):
            self.stored[path.rpartition("/")[2]] = body
            return 200, {}, {}
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return 200, {"objects": objects, "transfer": "basic"}, {}
        return self._of_repo(path.removeprefix("/api/datasets/"), body)

    def at(self, repo: str, revision: str) -> tuple[dict[str, bytes], str] | None:
        """Files and commit of a dataset at a branch or commit."""
        if revision in ("main", self.commit):
            return (self.repos[repo], self.commit) if repo in self.repos else None
        for (of, branch), files in self.branches.items():
            commit = sha256(branch.encode()).hexdigest()[:40]
            if of == repo and revision in (branch, commit):
                return files, commit
        return None

    def range_of(self, path: str, wanted: str) -> tuple[int, bytes]:
        """Status and bytes for a range of a file."""
        for part, status in self.refused.items():
            if part in path:
                return status, b""
        owner, name, _, commit, *rest = unquote(path).removeprefix("/datasets/").split("/")
        files, _ = self.at(f"{owner}/{name}", commit) or ({}, "")
        data = files.get("/".join(rest))
        if data is None:
            return 404, b""
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        data = data[int(first) : int(last) + 1]
        self.sent.append(("/".join(rest), len(data)))
        return 206, data

    def _of_repo(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        owner, name, *rest = path.split("/")
        repo = f"{owner}/{name}"
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        found = self.at(repo, unquote(rest[1]) if len(rest) > 1 else "main")
        if found is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        files, commit = found
        match rest[0] if rest else "":
            case "" | "revision":
                siblings = [{"rfilename": each} for each in files]
                return 200, {"id": repo, "private": self.private[repo], "sha": commit, "siblings": siblings}, {}
            case "tree":
                sizes = {each: len(one) for each, one in files.items()}
                return (
                    200,
                    [{"type": "file", "path": each, "oid": "0" * 40, "size": n} for each, n in sizes.items()],
                    {},
                )
            case "preupload":
                told = [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith(self.by_lfs) else "regular",
                        "shouldIgnore": False,
                    }
                    for one in json.loads(body)["files"]
                ]
                return 200, {"files": told}, {}
            case "commit":
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    if line["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "lfsFile":
                        files[value["path"]] = self.stored[value["oid"]]
                    elif line["key"] == "deletedFile":
                        del files[value["path"]]
                return 200, {"success": True, "commitOid": "1" * 40, "commitUrl": f"{self.url}/{repo}/commit/1"}, {}
        return 404, {"error": "no such path"}, {}


@contextmanager
def serving(hub: StandInHub) -> Iterator[StandInHub]:
    """Answer on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            hub.asked.append(f"{self.command} {path}")
            is_known = self.headers.get("Authorization") == f"Bearer {hub.token}" or path.startswith("/lfs/")
            if "/resolve/" in path and self.command == "GET":
                status, content = hub.range_of(path, self.headers.get("Range", ""))
                self.send_response(status if is_known else 401)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            if self.command == "HEAD":
                status, told, headers = 200, {}, {}
            elif is_known:
                status, told, headers = hub.answer(self.command, path, body)
            else:
                status, told, headers = 401, {"error": "Invalid credentials in Authorization header"}, {}
            content = b"" if self.command == "HEAD" else json.dumps(told).encode()
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
