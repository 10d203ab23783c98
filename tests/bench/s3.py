"""An S3 server on this machine: moto's, which keeps everything in memory."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from .process import BenchError, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .workshop import Workshop

__all__ = ["serving_s3"]

_BUCKET = "bench"
_STARTS_S = 60
_LONGEST_S = 7200.0


@contextmanager
def serving_s3(shop: Workshop) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The URI of an empty bucket, and the variables by which it is reached."""
    box = shop.toolboxes["moto"]
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    words = [box.program("moto_server"), "--host", "127.0.0.1", "--port", str(port)]
    server = start(words, cwd=shop.root, env=box.environment, timeout=_LONGEST_S)
    try:
        url = f"http://127.0.0.1:{port}"
        _make_bucket(f"{url}/{_BUCKET}")
        variables = {
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
        }
        yield f"s3://{_BUCKET}/wheels?endpoint={url}&region=us-east-1", variables
    finally:
        server.end()


def _make_bucket(url: str) -> None:
    """Make the bucket as soon as the server answers."""
    tick = threading.Event()
    for _ in range(_STARTS_S * 10):
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10).close()  # noqa: S310 - ours
        except (urllib.error.URLError, ConnectionError):
            tick.wait(0.1)
        else:
            return
    message = "moto_server does not answer"
    raise BenchError(message)
