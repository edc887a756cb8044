"""The suffixes of the names of photos, of raw files, which are none, and of archives."""

# Lower case, with the dot. A name decides only whether a file is a photo; its content decides how it is
# decoded.
PHOTO_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .jif .mpo .png .apng .gif .bmp .dib .webp .tif .tiff .avif .avifs .heic .heif "
    ".hif .jxl .ppm .pgm .pbm .pnm .pfm .jp2 .j2k .j2c .jpc .jpf .jpx".split()
)

# Raw files, which cameras write beside a JPEG of the same photo. Many start like a TIFF file with a
# thumbnail; a raw file in training and its JPEG in validation would be a leak. They are ignored and counted.
RAW_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
    ".rwl .sr2 .srf .srw .x3f".split()
)

ZIP = (".zip",)
TAR, GZIPPED = (".tar",), (".tar.gz", ".tgz")
# Those that cannot be read from any position, or not by Python.
CLOSED = (".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar")
PARQUET = ".parquet"
_ARCHIVES = (*GZIPPED, *CLOSED, *ZIP, *TAR, PARQUET)


def archive_name(name: str) -> str | None:
    """The name of an archive without its suffix; None for other names."""
    suffix = next((suffix for suffix in _ARCHIVES if name.lower().endswith(suffix)), "")
    return name[: -len(suffix)] if suffix else None
