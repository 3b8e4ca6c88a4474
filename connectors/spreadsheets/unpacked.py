"""What a spreadsheet's file is before anybody unpacks it whole: how large, protected by a password, or made to harm."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from connectors.spreadsheets.errors import DAMAGED, PASSWORD, UnreadableSpreadsheet

LARGEST = 200 * 1024 * 1024
"""Bytes, unpacked."""
_MOST_PARTS = 10_000
_CHUNK = 256 * 1024
_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCAL = struct.Struct("<4s22xHH")  # a part's own header: its mark, and how long the name and what follows are
_LOCAL_MARK = b"PK\x03\x04"
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_OVERLAP = max(map(len, _DECLARATIONS))
_ENCRYPTED_OOXML = "EncryptedPackage".encode("utf-16-le")  # the stream of an .xlsx with a password
_SECTOR = 512
_XLS_BEGINS = b"\x09\x08\x10\x00\x00\x06\x05\x00"  # the workbook of an .xls
_RECORD = struct.Struct("<HH")  # its kind, and how long it is
_FILEPASS = 0x2F
_MANIFEST = "META-INF/manifest.xml"
_ENCRYPTED_ODS = b"encryption-data"
TOO_LARGE = f"it takes more than {LARGEST // 1024 // 1024} MB unpacked; delete what is not needed, or save it as CSV"


def size(stream: BinaryIO) -> int:
    """Return how many bytes the file has, unpacked. Raises `UnreadableSpreadsheet` where it is no spreadsheet, is
    damaged, has a password, is too large, or declares what no spreadsheet does."""
    length = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    start = stream.read(len(_OLE))
    if not start:
        raise UnreadableSpreadsheet("it is empty")
    if length > LARGEST:
        raise UnreadableSpreadsheet(TOO_LARGE)
    if start.startswith(_OLE):
        _refuse_encrypted(stream)
        return length
    if not start.startswith(_ZIP):
        raise UnreadableSpreadsheet(_what_else(start))
    try:
        with zipfile.ZipFile(stream) as archive:
            return _archive(archive, stream)
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, NotImplementedError):
        raise UnreadableSpreadsheet(DAMAGED) from None


def _what_else(start: bytes) -> str:
    """What many programs call a spreadsheet."""
    if start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<"):
        return "it is a web page or XML that some program calls a spreadsheet; open it in Excel and save it as .xlsx"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(byte < 9 for byte in start):
        return "it is text that some program calls a spreadsheet; give it a name that ends in .csv, also in `file:`"
    return "it is no spreadsheet, whatever its name says; open it in Excel and save it as .xlsx"


def _refuse_encrypted(stream: BinaryIO) -> None:
    """An .xlsx with a password is a file of the old kind, in which the name of what is encrypted stands; an .xls has a
    record for it among its first."""
    stream.seek(0)
    before = b""
    while chunk := stream.read(_CHUNK):
        if _ENCRYPTED_OOXML in before + chunk:
            raise UnreadableSpreadsheet(PASSWORD)
        for start in range(0, len(chunk), _SECTOR):
            if chunk.startswith(_XLS_BEGINS, start) and _FILEPASS in _records(chunk[start : start + _SECTOR]):
                raise UnreadableSpreadsheet(PASSWORD)
        before = chunk[-len(_ENCRYPTED_OOXML) :]


def _records(sector: bytes) -> Iterator[int]:
    """The kinds of the records that a workbook of an old Excel begins with."""
    place = 0
    while place + _RECORD.size <= len(sector):
        kind, length = _RECORD.unpack_from(sector, place)
        yield kind
        place += _RECORD.size + length


def _archive(archive: zipfile.ZipFile, stream: BinaryIO) -> int:
    parts = archive.infolist()
    total = sum(part.file_size for part in parts)
    if total > LARGEST or len(parts) > _MOST_PARTS:
        raise UnreadableSpreadsheet(TOO_LARGE)
    for part in parts:
        if part.flag_bits & 1:
            raise UnreadableSpreadsheet(PASSWORD)
        if part.filename.endswith((".xml", ".rels")) or part.compress_type != zipfile.ZIP_STORED:
            _look_through(stream, part)
    return total


def _look_through(stream: BinaryIO, part: zipfile.ZipInfo) -> None:
    """What the directory says of a part's size is true, and the part declares no entities."""
    length, before = 0, b""
    for chunk in _unpacked(stream, part):
        length += len(chunk)
        if length > part.file_size:
            break
        text = before + chunk
        if any(declaration in text for declaration in _DECLARATIONS):
            raise UnreadableSpreadsheet("it declares XML entities, which no spreadsheet does")
        if part.filename == _MANIFEST and _ENCRYPTED_ODS in text:
            raise UnreadableSpreadsheet(PASSWORD)
        before = text[-_OVERLAP:]
    if length != part.file_size:
        raise UnreadableSpreadsheet(DAMAGED)


def _unpacked(stream: BinaryIO, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part's bytes as they really are, never many at once; `zipfile` would end where the directory says."""
    stream.seek(part.header_offset)
    mark, name, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
    if mark != _LOCAL_MARK or part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableSpreadsheet(DAMAGED)
    stream.seek(name + extra, os.SEEK_CUR)
    left, inflate = part.compress_size, zlib.decompressobj(-zlib.MAX_WBITS)
    while left > 0 and (packed := stream.read(min(left, _CHUNK))):
        left -= len(packed)
        if part.compress_type == zipfile.ZIP_STORED:
            yield packed
            continue
        while packed and not inflate.eof:
            yield inflate.decompress(packed, _CHUNK)
            packed = inflate.unconsumed_tail
    if part.compress_type == zipfile.ZIP_DEFLATED and not inflate.eof:
        yield inflate.flush()
