"""Settings of torch.save and torch.load: attributes of `load` and `save`."""

from __future__ import annotations


class load:
    """mmap: whether load() maps files unless it is told. endianness: of files that do not say theirs (None: little).
    mmap_flags: mmap.MAP_PRIVATE or mmap.MAP_SHARED. max_memory: the bytes that a load may take at most; None: twice the
    file and 64 MiB. calculate_storage_offsets has no effect."""

    mmap: bool = False
    endianness: object = None
    mmap_flags: int | None = 2  # MAP_PRIVATE
    calculate_storage_offsets: bool = False
    max_memory: int | None = None


class save:
    """compute_crc32: whether save() writes the sums of records. storage_alignment: of the bytes of storages in the
    file. use_pinned_memory_for_d2h has no effect."""

    compute_crc32: bool = True
    use_pinned_memory_for_d2h: bool = False
    storage_alignment: int = 64
