"""What a decoder process and its parent say to each other: JSON with its length before it, then raw bytes.

Nothing here executes what it receives: no pickle. Files travel as open descriptors, so no path is ever said.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from components.raster.scene import Array

Message = dict[str, Any]
MAX_MESSAGE = 4 * 1024**2
_LENGTH = struct.Struct(">I")


class Closed(ConnectionError):
    """The other side is gone."""


class Wire:
    """One end of the connection."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def close(self) -> None:
        """The other side reads an end of file."""
        self._end.close()

    def send(self, message: Mapping[str, Any], descriptor: int | None = None) -> None:
        """A message, and a descriptor beside it.

        Raises:
            OSError: if the other side is gone.
        """
        text = json.dumps(message).encode()
        self._end.settimeout(None)
        if descriptor is None:
            self._end.sendall(_LENGTH.pack(len(text)) + text)
        else:  # the descriptor goes with the first bytes
            socket.send_fds(self._end, [_LENGTH.pack(len(text))], [descriptor])
            self._end.sendall(text)

    def send_pixels(self, array: Array) -> None:
        """The bytes of a contiguous array."""
        self._end.sendall(array.data.cast("B"))

    def receive(self, ends: float | None = None) -> Message:
        """The next message, until the time ``ends`` of `time.monotonic`.

        Raises:
            Closed: if the other side is gone.
            TimeoutError: when the time is over.
            ValueError: if it is not what `send` writes.
        """
        return self._text(self._exactly(_LENGTH.size, ends), ends)

    def receive_with_descriptor(self) -> tuple[Message, int]:
        """The next message with the descriptor beside it, which the caller closes; -1 for none.

        Raises:
            Closed, ValueError: see `receive`.
        """
        head, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH.size, 1)
        head += self._exactly(_LENGTH.size - len(head), None) if head else b""
        if not head:
            raise Closed("no more requests")
        for number in descriptors:
            os.set_inheritable(number, False)
        return self._text(head, None), descriptors[0] if descriptors else -1

    def receive_pixels(self, array: Array, ends: float | None = None) -> None:
        """A contiguous array filled with the bytes that come.

        Raises:
            Closed, TimeoutError: see `receive`.
        """
        view = array.data.cast("B")
        while len(view):
            self._patience(ends)
            count = self._end.recv_into(view)
            if count == 0:
                raise Closed("the other side ended in the middle of pixels")
            view = view[count:]

    def _text(self, head: bytes, ends: float | None) -> Message:
        (size,) = _LENGTH.unpack(head)
        if size > MAX_MESSAGE:
            raise ValueError(f"a message of {size} bytes, at most {MAX_MESSAGE} are read")
        message = json.loads(self._exactly(size, ends))
        if not isinstance(message, dict):
            raise ValueError("a message that is no JSON object")  # noqa: TRY004 - one error for what cannot be read
        return message

    def _exactly(self, size: int, ends: float | None) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._patience(ends)
            more = self._end.recv(size - len(received))
            if not more:
                raise Closed("the other side ended")
            received += more
        return bytes(received)

    def _patience(self, ends: float | None) -> None:
        if ends is None:
            self._end.settimeout(None)
            return
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        self._end.settimeout(left)
