"""Requests that are wrong in every way that HTTP and the protocol leave open, drawn from a seed."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

_T = TypeVar("_T")

_INFER = b"/v2/models/tiny/infer"
_PATHS = (
    *(_INFER, b"/", b"/v2", b"/v2/models", b"/v2/models/tiny", b"/v2/models/tiny/versions/1/infer", b"/metrics", b"*"),
    *(b"/v2/models/%2e%2e/infer", b"/v2/models/../../etc/passwd", b"/v2/models/%00/infer", b"//v2", b"/v2/%ff%fe"),
    *(b"http://a/v2", b"/v2?" + b"a" * 5000, b"/" + b"a" * 20_000, b"/v2/models/tiny/infer?a=%zz#b", b"/\xc3\xbc", b""),
)
_METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"CONNECT",
    b"PRI",
    b"post",
    b"G\0T",
    b"",
)
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b"HTTP/1.1 ", b"JUNK", b"")
_LENGTHS = (
    b"0",
    b"5",
    b"-1",
    b"+5",
    b"5,5",
    b"5, 6",
    b" 5 ",
    b"0x5",
    b"5\0",
    b"99999999999999999999",
    b"1e3",
    b"",
    b"\xb2",
)
_CODINGS = (
    b"chunked",
    b" chunked ",
    b"xchunked",
    b"chunked, identity",
    b"identity",
    b"\x0bchunked",
    b"gzip, chunked",
    b"",
)
_CHUNK_SIZES = (
    b"-1",
    b"ffffffffffffffff",
    b"fffffffffffffffff",
    b"0x10",
    b"10 ",
    b" 10",
    b"g",
    b"",
    b"5;a=b",
    b"\0",
    b"1_0",
)
_LINES = (
    *(
        b"X-A",
        b": b",
        b"X-A: a\0b",
        b"X-A: \xff\xfe",
        b" folded",
        b"X-A : b",
        b"X\xc3\xbc: y",
        b"X-A: " + b"b" * 100_000,
    ),
    *(b"Host: a\r\nHost: b", b"Host:", b"\r", b"X-A: b\nX-B: c", b"X-A: b\rX-B: c", b"Expect: 100-continue"),
    *(b"Upgrade: websocket\r\nConnection: Upgrade", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings"),
    *(b"Content-Type: text/html", b"Content-Type: application/json; charset=latin-1", b"Accept: nothing/at-all"),
    *(b"Inference-Header-Content-Length: 5", b"Inference-Header-Content-Length: -1", b"Connection: close, close"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: br, gzip", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, 1e308, -0.0, "", "a", "\0", "\u202e" * 50),
    *([], {}, [None], [[]], [[[]]], [1, "a"], {"a": 1}, "x" * 10_000, [0] * 1000, [2**62, 4], [2**32, 2**32], "\ud7ff"),
    *("BOOL", "UINT8", "INT64", "FP16", "FP32", "FP64", "BYTES", "BF16", "user", "probs_ctr"),
)
_NOT_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\n" * 50,
    b"\0" * 200,
)
_BOMB = gzip.compress(bytes(20 * 2**20))


class Wild:
    """Gives bytes for one connection after the other.

    Args:
        good: a request in JSON that the model `tiny` answers.
        seed: of everything.
    """

    def __init__(self, good: bytes, seed: int) -> None:
        self._good = good
        self._rng = random.Random(seed)
        self._kinds: tuple[Callable[[], bytes], ...] = (
            *(self._changed_json, self._changed_binary, self._chunked, self._badly_chunked, self._smuggled),
            *(self._pipelined, self._bomb, self._bad_header, self._bad_line, self._no_http, self._damaged),
        )

    def next(self) -> bytes:
        """A request, or something like it; a connection that still stands ends behind it."""
        end = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        return self._rng.choice(self._kinds)() + end

    def _pick(self, choices: tuple[_T, ...]) -> _T:
        return self._rng.choice(choices)

    def _changed_json(self) -> bytes:
        """Something else in some places of the good request."""
        document = orjson.loads(self._good)
        for _ in range(self._rng.randint(1, 3)):
            tensor = self._rng.choice(document["inputs"]) if document.get("inputs") else document
            key = self._pick(("name", "shape", "datatype", "data", "parameters", "inputs", "outputs", "id", "extra"))
            owner = tensor if key in ("name", "shape", "datatype", "data") else self._rng.choice([document, tensor])
            if self._rng.random() < 0.2:
                owner.pop(key, None)
            else:
                owner[key] = self._pick(_VALUES)
            if not isinstance(document.get("inputs"), list) or not all(isinstance(t, dict) for t in document["inputs"]):
                break
        return self._post(orjson.dumps(document))

    def _changed_binary(self) -> bytes:
        """Tensors behind the JSON whose sizes are right or not."""
        document = orjson.loads(self._good)
        tail = b""
        for tensor in document["inputs"]:
            if self._rng.random() < 0.5:
                raw = self._rng.randbytes(self._rng.choice((0, 1, 4, 8, 100)))
                tensor.pop("data")
                size = len(raw) if self._rng.random() < 0.7 else self._pick(_VALUES)
                tensor["parameters"], tail = {"binary_data_size": size}, tail + raw
        text = orjson.dumps(document)
        length = len(text) + self._pick((0, 0, 0, 1, -1, 10**6))
        return self._post(text + tail, b"Inference-Header-Content-Length: %d\r\n" % length)

    def _chunked(self) -> bytes:
        """The good request, in chunks of any size, with extensions and trailers."""
        raw, chunks = self._good, b""
        while raw:
            size = self._rng.randint(1, 60)
            chunks += b"%x%s\r\n%s\r\n" % (len(raw[:size]), self._pick((b"", b";a", b';a="b"')), raw[:size])
            raw = raw[size:]
        return (
            self._head(b"Transfer-Encoding: chunked\r\n")
            + chunks
            + b"0\r\n"
            + self._pick((b"", b"X-A: b\r\n"))
            + b"\r\n"
        )

    def _badly_chunked(self) -> bytes:
        return (
            self._head(b"Transfer-Encoding: chunked\r\n")
            + self._pick(_CHUNK_SIZES)
            + self._pick((b"\r\n", b"\n", b"\r", b""))
            + self._good[: self._rng.randint(0, 30)]
            + self._pick((b"\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n", b""))
        )

    def _smuggled(self) -> bytes:
        """Two opinions about where a body ends."""
        lines = [b"Content-Length: " + self._pick(_LENGTHS), b"Transfer-Encoding: " + self._pick(_CODINGS)]
        lines += [b"Content-Length: " + self._pick(_LENGTHS)] * self._rng.randint(0, 1)
        self._rng.shuffle(lines)
        inner = b"5\r\nhello\r\n0\r\n\r\nGET /v2/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        return self._head(b"".join(line + b"\r\n" for line in lines)) + inner

    def _pipelined(self) -> bytes:
        return b"".join(
            self._pick((self._changed_json, self._chunked, self._get))() for _ in range(self._rng.randint(2, 8))
        )

    def _bomb(self) -> bytes:
        return self._post(_BOMB, b"Content-Encoding: gzip\r\n")

    def _bad_header(self) -> bytes:
        lines = self._rng.choices(_LINES, k=self._rng.choice((1, 2, 3, 500)))
        return self._head(b"".join(line[:200] if len(lines) > 3 else line for line in lines)) + self._good

    def _bad_line(self) -> bytes:
        line = self._pick((b" ", b" ", b" ", b"\t", b"")).join(
            (self._pick(_METHODS), self._pick(_PATHS), self._pick(_VERSIONS))
        )
        return (
            line
            + self._pick((b"\r\n", b"\n"))
            + b"Host: a\r\nContent-Length: %d\r\n\r\n" % len(self._good)
            + self._good
        )

    def _no_http(self) -> bytes:
        return self._pick((*_NOT_HTTP, self._rng.randbytes(self._rng.randint(1, 300))))

    def _damaged(self) -> bytes:
        """Any bytes of a good request changed, taken out or put in."""
        raw = bytearray(self._pick((self._post(self._good), self._chunked(), self._get())))
        for _ in range(self._rng.randint(1, 6)):
            place = self._rng.randrange(len(raw))
            raw[place : place + self._rng.randint(0, 2)] = self._rng.randbytes(self._rng.randint(0, 2))
        return bytes(raw)

    def _get(self) -> bytes:
        return b"GET " + self._pick(_PATHS) + b" HTTP/1.1\r\nHost: a\r\n\r\n"

    def _head(self, lines: bytes) -> bytes:
        return b"POST " + _INFER + b" HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"

    def _post(self, body: bytes, lines: bytes = b"") -> bytes:
        return self._head(lines + b"Content-Length: %d\r\n" % len(body)) + body
