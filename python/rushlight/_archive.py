"""The zip archives of checkpoints: records in one folder, stored or deflated.

The reader trusts nothing in the file. Records may not overlap, so that all of them together are no larger than the
file; what a deflated one becomes is charged before it is made. Any damage is a RuntimeError.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from . import _C
from ._pickle_parts import Memory, shown

_LOCAL = struct.Struct("<4s5H3L2H")  # signature, version, flags, method, time, date, crc, sizes, lengths
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_SIZES = struct.Struct("<QQ")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_UTF8_NAME, _DESCRIPTOR = 1 << 11, 1 << 3
_ENTRY_BYTES = 512  # what a record of the directory takes here at most
_CHUNK = 1 << 18
_DATE = 1 << 5 | 1  # the first of January 1980


class File:
    """The part of a file from where it stands to its end."""

    def __init__(self, file) -> None:
        self.file = file
        self.base = file.tell()
        file.seek(0, 2)
        self.size = max(file.tell() - self.base, 0)
        file.seek(self.base)

    def read(self, start: int, count: int) -> bytes:
        """RuntimeError where the file ends before."""
        if start < 0 or count < 0 or start + count > self.size:
            raise damaged("it ends too early")
        self.file.seek(self.base + start)
        data = self.file.read(count)
        if len(data) == count:
            return data
        parts, done = [data], len(data)
        while done < count:
            parts.append(self.file.read(count - done))
            done += len(parts[-1])
            if not parts[-1]:
                raise damaged("it ends too early")
        return b"".join(parts)

    def read_into(self, start: int, view: memoryview) -> None:
        """Fills a writable view of bytes."""
        if not hasattr(self.file, "readinto"):
            for done in range(0, view.nbytes, _CHUNK):
                part = view[done : done + _CHUNK]
                part[:] = self.read(start + done, part.nbytes)
            return
        if start < 0 or start + view.nbytes > self.size:
            raise damaged("it ends too early")
        self.file.seek(self.base + start)
        done = 0
        while done < view.nbytes:
            count = self.file.readinto(view[done:])
            if not count:
                raise damaged("it ends too early")
            done += count


def damaged(why: str) -> RuntimeError:
    return RuntimeError(f"PytorchStreamReader failed reading zip archive: the archive is damaged: {why}")


class Record:
    """Where a record lies: its header, the least place that is no longer its own, and its sizes."""

    __slots__ = ("header", "limit", "method", "name", "packed", "size")

    def __init__(self, name: bytes, header: int, packed: int, size: int, method: int) -> None:
        self.name, self.header, self.packed, self.size, self.method = name, header, packed, size, method


class Reader:
    """The records of an archive, by their names without the folder."""

    def __init__(self, file: File, memory: Memory) -> None:
        self._file, self._memory = file, memory
        entries = self._directory()
        self._records: dict[bytes, Record] = {}
        folder = entries[0].name.partition(b"/")[0] + b"/" if entries else b""
        for entry in entries:
            if entry.name.startswith(folder):
                name = entry.name[len(folder) :]
                if name in self._records:
                    raise damaged(f"two records have the name {shown(name)}")
                self._records[name] = entry

    def _directory(self) -> list[Record]:
        count, size, start = self._end()
        if count * _CENTRAL.size > size:
            raise damaged("its directory is too small")
        self._memory.take(size + count * _ENTRY_BYTES)
        data = self._file.read(start, size)
        entries, at = [], 0
        for _ in range(count):
            if at + _CENTRAL.size > size:
                raise damaged("its directory ends too early")
            fields = _CENTRAL.unpack_from(data, at)
            flags, method, packed, full, name_length, extra_length, comment_length, header = (
                *(fields[3:5]), *fields[8:13], fields[16]
            )  # fmt: skip
            at += _CENTRAL.size
            name, extra = data[at : at + name_length], data[at + name_length : at + name_length + extra_length]
            at += name_length + extra_length + comment_length
            if fields[0] != b"PK\x01\x02" or at > size:
                raise damaged("its directory has a broken entry")
            if _MAX32 in (packed, full, header):
                full, packed, header = _wide(extra, full, packed, header)
            if flags & 1:
                raise damaged("a record is encrypted")
            entries.append(Record(name, header, packed, full, method))
        limit = start
        for entry in sorted(entries, key=lambda entry: entry.header, reverse=True):
            if entry.header + _LOCAL.size + len(entry.name) + entry.packed > limit:
                raise damaged(f"record {shown(entry.name)} overlaps what comes after it")
            entry.limit, limit = limit, entry.header
        return entries

    def _end(self) -> tuple[int, int, int]:
        """The number of records, and the size and the place of the directory."""
        file = self._file
        length = min(file.size, _END.size + _MAX16)
        tail = file.read(file.size - length, length)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or at + _END.size > length:
            raise damaged("it has no directory at its end")
        _, disk, first, _, count, size, start, _ = _END.unpack_from(tail, at)
        end = file.size - length + at
        locator = file.read(end - _LOCATOR.size, _LOCATOR.size) if end >= _LOCATOR.size else b""
        if locator[:4] == b"PK\x06\x07":
            end = _LOCATOR.unpack(locator)[2]
            fields = _END64.unpack(file.read(end, _END64.size))
            if fields[0] != b"PK\x06\x06":
                raise damaged("its 64-bit directory is not there")
            disk, first, count, size, start = fields[4], fields[5], *fields[7:10]
        if disk or first or start + size > end:
            raise damaged("its directory lies outside of it")
        return count, size, start

    def __contains__(self, name: str) -> bool:
        return name.encode("utf-8", "surrogatepass") in self._records

    def _find(self, name: str) -> Record:
        record = self._records.get(name.encode("utf-8", "surrogatepass"))
        if record is None:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name[:200]}: file not found")
        return record

    def size(self, name: str) -> int:
        """The size of a record in bytes."""
        return self._find(name).size

    def place(self, name: str) -> int | None:
        """Where the bytes of a stored record begin, None if it is deflated."""
        record = self._find(name)
        return self._start(record) if record.method == _STORED else None

    def _start(self, record: Record) -> int:
        header = _LOCAL.unpack(self._file.read(record.header, _LOCAL.size))
        start = record.header + _LOCAL.size + header[9] + header[10]
        if header[0] != b"PK\x03\x04" or start + record.packed > record.limit:
            raise damaged(f"the header of record {shown(record.name)} is broken")
        if record.method not in (_STORED, _DEFLATED):
            raise damaged(f"record {shown(record.name)} is packed by method {record.method}")
        if record.method == _STORED and record.packed != record.size:
            raise damaged(f"stored record {shown(record.name)} has two sizes")
        return start

    def read(self, name: str, most: int | None = None) -> bytes:
        """The bytes of a record; RuntimeError if there are more than `most`."""
        record = self._find(name)
        start = self._start(record)
        if most is not None and record.size > most:
            raise damaged(f"record {name} has {record.size} bytes")
        self._memory.take(record.size)
        if record.method == _STORED:
            return self._file.read(start, record.size)
        data = bytearray(record.size)
        self._unpack(record, start, memoryview(data))
        self._memory.take(record.size)
        return bytes(data)

    def stream(self, name: str) -> Callable[[int], bytes]:
        """A function that gives the next bytes of a record, at least as many as it is asked for, b"" at the end."""
        record = self._find(name)
        if record.method != _STORED:
            parts = iter([self.read(name)])
            return lambda least: next(parts, b"")
        at = self._start(record)
        end = at + record.size

        def more(least: int) -> bytes:
            nonlocal at
            data = self._file.read(at, min(max(least, _CHUNK), end - at))
            at += len(data)
            return data

        return more

    def storage(self, name: str) -> _C.UntypedStorage:
        """The bytes of a record in memory of their own."""
        record = self._find(name)
        start = self._start(record)
        self._memory.take(record.size)
        memory = _C.empty(record.size, dtype=_C.uint8)
        if record.method == _STORED:
            self._file.read_into(start, memoryview(memory))
        else:
            self._unpack(record, start, memoryview(memory))
        return memory.untyped_storage()

    def _unpack(self, record: Record, start: int, view: memoryview) -> None:
        unpacker, done, at = zlib.decompressobj(-15), 0, 0
        try:
            while at < record.packed and not unpacker.eof:
                data = self._file.read(start + at, min(_CHUNK, record.packed - at))
                at += len(data)
                while data:
                    part = unpacker.decompress(data, _CHUNK)
                    data = unpacker.unconsumed_tail
                    if done + len(part) > record.size:
                        raise damaged(f"record {shown(record.name)} is larger than it says")
                    view[done : done + len(part)] = part
                    done += len(part)
        except zlib.error as error:
            raise damaged(f"record {shown(record.name)}: {error}") from None
        if done != record.size or not unpacker.eof:
            raise damaged(f"record {shown(record.name)} is smaller than it says")


def _wide(extra: bytes, full: int, packed: int, header: int) -> list[int]:
    """Sizes and place from the 64-bit field of an entry, for those that the entry leaves to it."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = [value for (value,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8])]
            wanted = [full, packed, header]
            if wanted.count(_MAX32) <= len(values):
                return [values.pop(0) if value == _MAX32 else value for value in wanted]
            break
        at += 4 + length
    return [full, packed, header]


class Writer:
    """Stored records below one folder, their data aligned, written from the first to the last byte."""

    def __init__(self, file, folder: str, alignment: int, checksums: bool) -> None:
        self._file, self._folder, self._alignment, self._checksums = file, folder, alignment, checksums
        self._at = 0
        self._directory: list[bytes] = []

    def _put(self, data) -> None:
        self._file.write(data)
        self._at += len(data)

    def write(self, name: str, data) -> None:
        data = memoryview(data).cast("B")
        size, header = data.nbytes, self._at
        full_name = f"{self._folder}/{name}".encode()
        crc = zlib.crc32(data) if self._checksums else 0
        wide = struct.pack("<2H", 1, 16) + _SIZES.pack(size, size) if size >= _MAX32 else b""
        padding = -(header + _LOCAL.size + len(full_name) + len(wide) + 4) % self._alignment
        extra = wide + struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        small, place = min(size, _MAX32), min(header, _MAX32)
        version = 45 if wide or place == _MAX32 else 20
        flags = _UTF8_NAME | (_DESCRIPTOR if size else 0)
        common = (version, flags, _STORED, 0, _DATE, crc, small, small, len(full_name))
        self._put(_LOCAL.pack(b"PK\x03\x04", *common, len(extra)) + full_name + extra)
        for start in range(0, size, 1 << 30):
            self._put(data[start : start + (1 << 30)])
        if size:  # torch can compute where records begin, and counts on a descriptor behind each
            wide_place = size >= _MAX32 or header >= _MAX32
            self._put(struct.pack("<4sL2Q" if wide_place else "<4s3L", b"PK\x07\x08", crc, size, size))
        values = [size, size] * bool(wide) + [header] * (place == _MAX32)
        extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        entry = _CENTRAL.pack(b"PK\x01\x02", version, *common, len(extra), 0, 0, 0, 0, place)
        self._directory.append(entry + full_name + extra)

    def close(self) -> None:
        start, count = self._at, len(self._directory)
        self._put(b"".join(self._directory))
        size, end = self._at - start, self._at
        if count >= _MAX16 or start >= _MAX32 or size >= _MAX32:
            self._put(_END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start))
            self._put(_LOCATOR.pack(b"PK\x06\x07", 0, end, 1))
        count, size, start = min(count, _MAX16), min(size, _MAX32), min(start, _MAX32)
        self._put(_END.pack(b"PK\x05\x06", 0, 0, count, count, size, start, 0))
