"""A multipart form as it streams in: files go to the disk while they are hashed, and are never whole in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from serving.errors import TooLarge, WrongForm
from serving.uploads import MAX_FIELD_BYTES, MAX_FIELDS, MAX_FILES, MAX_SERIES_FILES

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

SERIES, SERIES_URI = "series", "series_uri"  # the fields that may stand several times
BATCH_BYTES = 512 * 1024  # what is collected before a thread writes it
MB = 1024**2


@dataclass(frozen=True)
class ReceivedFile:
    """One uploaded file on our disk, with the SHA-256 of its bytes; ``name`` is what its sender calls it."""

    path: Path
    digest: str
    size: int
    name: str = ""


@dataclass(frozen=True)
class Received:
    """A form: text fields, files by field name, and what stood in the one field that may be repeated.

    ``series`` holds the files of a time series in the order sent, ``series_uris`` the addresses of its objects.
    """

    fields: Mapping[str, str]
    files: Mapping[str, ReceivedFile]
    series: Sequence[ReceivedFile] = ()
    series_uris: Sequence[str] = ()


async def receive(request: Request, folder: Path, file_mb: int) -> Received:
    """The form of a request, its files in ``folder`` (private, the caller removes it).

    Raises:
        WrongForm: if it is no multipart form, has query keys, or a field stands twice.
        TooLarge: if a file has more than ``file_mb`` megabytes.
        HTTPException: 400 if the body is damaged or ends early, 507 if the disk is full.
    """
    if request.query_params:
        keys = ", ".join(sorted(request.query_params))
        raise WrongForm(f"unknown query key {keys}; options are form fields, there are no query keys")
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise WrongForm(
            "send multipart/form-data with one GeoTIFF file, or <input>_uri, for each input; a time series: one a date"
        )
    parts = _Parts(folder, file_mb)
    parser = MultipartParser(options[b"boundary"], parts.callbacks())
    try:
        await _feed(request, parser)
    except FormParserError as error:
        raise HTTPException(400, "the multipart body is damaged; send it again") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body ended early; send it again") from error
    except OSError as error:
        raise HTTPException(
            507, f"uploads cannot be kept ({error.strerror}); is the disk of the service full?"
        ) from error
    finally:
        parts.close()
    if not parts.ended:
        raise HTTPException(400, "the body ended before its last boundary; send it again")
    return Received(parts.fields, parts.files, parts.series, parts.series_uris)


async def _feed(request: Request, parser: MultipartParser) -> None:
    """Everything through the parser, in batches and in a thread: its callbacks write to the disk."""
    batch = bytearray()
    async for chunk in request.stream():
        batch += chunk
        if len(batch) >= BATCH_BYTES:
            await asyncio.to_thread(parser.write, bytes(batch))
            batch.clear()
    await asyncio.to_thread(parser.write, bytes(batch))


@dataclass
class _Open:
    """The part that is streaming in."""

    header: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    name: str = ""
    filename: str = ""
    text: bytearray = field(default_factory=bytearray)
    file: BinaryIO | None = None
    size: int = 0


class _Parts:
    """What a parser calls: parts become fields and files."""

    def __init__(self, folder: Path, file_mb: int) -> None:
        self.folder, self.file_mb = folder, file_mb
        self.fields: dict[str, str] = {}
        self.files: dict[str, ReceivedFile] = {}
        self.series: list[ReceivedFile] = []
        self.series_uris: list[str] = []
        self.ended = False
        self._part = _Open()
        self._value = bytearray()
        self._digest = hashlib.sha256()

    def callbacks(self) -> MultipartCallbacks:
        """By the names that the parser knows."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._part.header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._finish,
            "on_end": self._end,
        }

    def close(self) -> None:
        """No file open any more."""
        if self._part.file is not None:
            self._part.file.close()

    def _begin(self) -> None:
        self._part = _Open()

    def _header(self) -> None:
        if bytes(self._part.header).lower() == b"content-disposition":
            self._part.disposition = bytes(self._value)
        self._part.header.clear()
        self._value.clear()

    def _open(self) -> None:
        kind, options = parse_options_header(self._part.disposition)
        self._part.name = name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise WrongForm("a part of the form has no name; give every field one")
        if name in self.fields or name in self.files:
            raise WrongForm(f"field {name[:100]} stands twice; send it once")
        _require_few("files of a series", max(len(self.series), len(self.series_uris)), MAX_SERIES_FILES)
        if b"filename" not in options:
            _require_few("fields", len(self.fields), MAX_FIELDS)
            return
        if name != SERIES:
            _require_few("files", len(self.files), MAX_FILES)
        self._part.filename = options[b"filename"].decode("utf-8", "replace")
        # Numbered: a name from outside is never a path of ours.
        self._part.file = (self.folder / f"upload-{len(self.files) + len(self.series)}").open("wb")
        self._digest = hashlib.sha256()

    def _data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, data[start:end]
        part.size += len(piece)
        if part.file is not None:
            if part.size > self.file_mb * MB:
                raise TooLarge(f"{part.name[:100]}: more than {self.file_mb} MB, the limit (SWATH_MAX_LARGE_MB)")
            part.file.write(piece)
            self._digest.update(piece)
        elif part.size > MAX_FIELD_BYTES:
            raise WrongForm(f"field {part.name[:100]} has more than {MAX_FIELD_BYTES} bytes; send files with a name")
        else:
            part.text += piece

    def _finish(self) -> None:
        part = self._part
        if part.file is None:
            self._keep_text(part.name, part.text.decode("utf-8", "replace"))
            return
        part.file.close()
        kept = ReceivedFile(Path(part.file.name), self._digest.hexdigest(), part.size, part.filename)
        if part.name == SERIES:
            self.series.append(kept)
        else:
            self.files[part.name] = kept

    def _keep_text(self, name: str, text: str) -> None:
        if name == SERIES_URI:
            self.series_uris.append(text)
        else:
            self.fields[name] = text

    def _end(self) -> None:
        self.ended = True


def _require_few(what: str, found: int, limit: int) -> None:
    if found >= limit:
        raise WrongForm(f"more than {limit} {what}; send the inputs of one run")
