"""Reading the tables of contents of zip and tar files."""

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress

from catdog.archives.archive import Archive, Member
from catdog.archives.parquet import Table
from catdog.archives.sources import GZIP, Inflated, Reader, Source, buffered
from catdog.archives.suffixes import GZIPPED, PARQUET, TAR, ZIP
from catdog.errors import DataError
from catdog.text import message, reason

_ENCRYPTED, _UTF_8 = 1, 0x800  # flags
_DOS = 0  # a system
_METHODS = {zipfile.ZIP_STORED: False, zipfile.ZIP_DEFLATED: True}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, LookupError, NotImplementedError)
_BROKEN += (struct.error, OverflowError, RecursionError)  # the last from headers of headers of headers


def read_archive(name: str, source: Source) -> Archive | Table:
    """The table of contents of an archive, by the suffix of its name.

    Raises:
        DataError: it is damaged or refused; its form is not known.
        PhotoError: it is inside another one, which is damaged.
        OSError: it cannot be read.
    """
    lower = name.lower()
    try:
        if lower.endswith(ZIP):
            return _read_zip(name, source)
        if lower.endswith(TAR):
            return _read_tar(name, source)
        if lower.endswith(PARQUET):
            return Table(name, source)
        if lower.endswith(GZIPPED):
            return _read_tar(name, Inflated(source, GZIP, None))
    except _BROKEN as error:
        raise DataError("the archive {file} is damaged: {reason}", file=name, reason=reason(error)) from error
    raise DataError(
        "expected an archive that can be read in place (.zip, .tar or .tar.gz), found {file}. Unpack it, or "
        "pack it as one of these",
        file=name,
    )


def _read_zip(name: str, source: Source) -> Archive:
    refused = Archive(name, source, (), has_headers=True).refused

    def members() -> Iterator[tuple[str, Member]]:
        with zipfile.ZipFile(buffered(source)) as file:
            for info in file.infolist():
                path = _path_of(info)
                if info.flag_bits & _ENCRYPTED:
                    raise refused(message("it is encrypted"), path)
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise refused(message("it contains a link"), path)
                if path.endswith("/"):
                    continue
                if info.compress_type not in _METHODS:
                    raise refused(
                        message(
                            "it is compressed by method {number}, not by deflate", number=info.compress_type
                        ),
                        path,
                    )
                sizes = info.compress_size, info.file_size, _METHODS[info.compress_type]
                if not sizes[2] and sizes[0] != sizes[1]:
                    raise refused(message("the size of a file is wrong"), path)
                yield path, Member(info.header_offset, *sizes, info.CRC)

    return Archive(name, source, members(), has_headers=True)


def _path_of(info: zipfile.ZipInfo) -> str:
    """The path of a file. Info-ZIP and macOS write UTF-8 without saying so: Python takes it for CP437."""
    path = info.orig_filename
    if not info.flag_bits & _UTF_8:
        with suppress(UnicodeError):
            path = path.encode("cp437").decode()
    return path.replace("\\", "/") if info.create_system == _DOS else path  # as PowerShell 5 writes them


def _read_tar(name: str, source: Source) -> Archive:
    refused = Archive(name, source, (), has_headers=False).refused

    def members() -> Iterator[tuple[str, Member]]:
        with tarfile.open(fileobj=io.BufferedReader(Reader(source), 4096), mode="r:") as file:
            while info := file.next():
                vars(file)["members"].clear()  # else they would take 2 kB each
                if info.issym() or info.islnk():
                    raise refused(message("it contains a link"), info.name)
                if info.isdir():
                    continue
                if not info.isreg() or info.issparse():
                    raise refused(message("it contains something that is not a plain file"), info.name)
                yield info.name, Member(info.offset_data, info.size, info.size, False, None)
            if source.read(file.offset, tarfile.BLOCKSIZE).strip(b"\0"):  # Python takes this for the end
                raise tarfile.ReadError("its middle is damaged")

    return Archive(name, source, members(), has_headers=False)
