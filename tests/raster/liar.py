"""A decoder that was taken over: it answers as the name of the file says. `python -m tests.raster.liar`."""

from __future__ import annotations

import os
import socket
import time

from components.raster.wire import Closed, Wire

INFO = {
    "crs": None, "transform": [1, 0, 0, 0, 1, 0], "shape": [8, 8], "bands": ["a"], "unit": "m", "dtype": "uint8",
    "nodata": None, "acquired": None, "classes": "[]", "tags": {}, "block_shape": [8, 8], "tiled": False,
    "scales": [1], "offsets": [0], "masked": False,
}  # fmt: skip
LIES = {
    "no header": {},
    "a header of nothing": {"info": {}},
    "no object": {"info": [1], "together": True},
    "huge": {"info": INFO | {"shape": [10**6, 10**6]}},
    "huge blocks": {"info": INFO | {"block_shape": [10**6, 10**6]}},
    "objects": {"info": INFO | {"dtype": "object"}},
    "complex": {"info": INFO | {"dtype": "complex128"}},
    "negative": {"info": INFO | {"shape": [-8, 8]}},
    "a unit of its own": {"info": INFO | {"unit": "<script>"}},
    "too few scales": {"info": INFO | {"scales": []}},
    "a CRS that is none": {"info": INFO | {"crs": "/vsicurl/http://127.0.0.1/"}},
}


def main() -> None:
    wire = Wire(socket.socket(fileno=os.dup(0)))
    wire.receive()
    wire.send({"network": False})
    try:
        while True:
            answer(wire)
    except Closed:
        return


def answer(wire: Wire) -> None:
    request, descriptor = wire.receive_with_descriptor()
    os.close(descriptor)
    name = request["name"]
    if name == "no JSON":
        wire._end.sendall(b"\0\0\0\4nope")
    elif name == "a message without end":
        wire._end.sendall(b"\xff\xff\xff\xff")
    elif name == "silence":
        time.sleep(60)
    elif name == "too few pixels":
        wire.send({"info": INFO, "together": True})
        wire.send({})
        wire._end.sendall(b"abc")
        time.sleep(60)
    else:
        wire.send({"together": True} | LIES[name])


if __name__ == "__main__":
    main()
