"""The file that is read: whether it can be, and bringing it into or out of the page cache."""

import mmap
import os
import stat

from instructions import Wrong

SIZE_MIN = 64 << 20
BLOCK_BYTES = 4096


def check(path, direct):
    """Raises unless random blocks of `path` can be read, with O_DIRECT if `direct`."""
    try:
        about = os.stat(path)
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        raise Wrong(f"{path}: not a regular file")
    if about.st_size < SIZE_MIN:
        raise Wrong(f"{path}: {about.st_size:,} bytes; random reads need {SIZE_MIN:,} or more")
    if direct:
        check_direct(path, about.st_dev)


def check_direct(path, device):
    """Raises unless `path` is read past the page cache by O_DIRECT."""
    cure = "use a file on a disk, or --modes hot"
    kind = file_system(device)
    if kind in ("tmpfs", "ramfs"):
        raise Wrong(f"{path}: on {kind}, where O_DIRECT reads memory: {cure}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        raise Wrong(f"{path}: no O_DIRECT there ({error.strerror}): {cure}") from None
    try:
        # A mapping begins at a page, as O_DIRECT wants its memory.
        with mmap.mmap(-1, BLOCK_BYTES) as memory:
            os.preadv(fd, [memory], 0)
    except OSError as error:
        raise Wrong(f"{path}: O_DIRECT of 4 KiB fails ({error.strerror}): {cure}") from None
    finally:
        os.close(fd)


def file_system(device):
    """The type of the file system of `device`, or nothing."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == number:
                return fields[fields.index("-") + 1]
    return None


def into_cache(path):
    """Reads the whole file, if it fits."""
    with open("/proc/meminfo", encoding="utf-8") as lines:
        memory = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines}
    if os.path.getsize(path) > memory["MemAvailable"]:
        raise Wrong(f"{path}: larger than the free memory, so it cannot stay in the page cache")
    with open(path, "rb") as data:
        while data.read(1 << 20):
            pass


def out_of_cache(path):
    """Writes back what is dirty and drops the rest."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
