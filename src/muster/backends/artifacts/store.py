"""The artifact store: files of versions into DVC's remote and cache, and verified files out of them."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from ...core import filelist
from ...core.dvcconfig import parse_config
from ...core.errors import Finding, Integrity, Invalid, NotFound
from ...core.models import ArtifactFile, Stored, StoredFile
from . import disk, output
from .config import Settings, settings_of
from .delivery import Delivery, Link, in_parallel
from .directory import Directory
from .fetching import fetch_verified, verify_in_place
from .hashing import md5_of, read_digests
from .intake import Intake
from .progress import Meter, Progress, silent
from .remote import Remote
from .survey import survey
from .verified import VerifiedCache
from .web import Download, WebRemote, is_plain

NOTHING: Mapping[str, Path] = {}
VERIFY_RULE = "artifact_is_intact"

_OID = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactStore:
    """The files of a registry's versions: where DVC keeps them, and muster's own cache of verified ones.

    `config` is the committed `.dvc/config`, which must be of the branch that is trusted. Paths in it are
    relative to `root/.dvc`, and mean nothing where root is None. `cache` belongs to one user. `dvc_cache` is
    the clone's DVC cache, None where there is no work tree. `download`, where it is given, reads plain http(s)
    remotes without DVC. Invalid if `config` is not plain; no remote is looked for before it is needed.
    """

    def __init__(
        self,
        config: bytes,
        root: Path | None,
        cache: Path,
        dvc_cache: Path | None = None,
        download: Download | None = None,
    ) -> None:
        self._download = download
        self._committed, self._root = parse_config(config), root
        self._cache = VerifiedCache(Path(os.path.abspath(cache)))
        self._dvc_cache = None if dvc_cache is None else Path(os.path.abspath(dvc_cache))

    @cached_property
    def _settings(self) -> Settings:
        return settings_of(self._committed, self._root)

    @cached_property
    def _remote(self) -> Directory | Remote:
        directory = self._settings.directory
        if directory is not None:
            return Directory(directory, required=True)
        if self._download is not None and is_plain(self._settings):
            return WebRemote(self._settings, self._download)
        return Remote(self._settings)

    @cached_property
    def _sources(self) -> tuple[Directory | Remote, ...]:
        """Where objects may be, the nearest first and the remote last."""
        return (self._remote,) if self._dvc_cache is None else (Directory(self._dvc_cache), self._remote)

    @property
    def _jobs(self) -> int:
        return 1 if isinstance(self._remote, Directory) else self._settings.jobs

    def uri(self, oid: str) -> str:
        """Return where an object is: a path or a URL, without credentials."""
        return self._settings.uri(_checked(oid))

    def take(self, source: Path, progress: Progress = silent, beside: Mapping[str, Path] = NOTHING) -> Stored:
        """Store a file or directory in the DVC cache and the remote; what is there already is not sent again.

        `beside` are further files, by their path in the artifact. NotFound if there is no source, Invalid with
        every file that cannot be stored, Integrity if one changes meanwhile. The files go first and the list
        that names them last.
        """
        sources = survey(source, beside)
        total = sum(file.size for file in sources)
        with disk.disk_errors(), ExitStack() as stack:
            remote = self._remote if isinstance(self._remote, Remote) else None
            directories = [Directory(self._dvc_cache, self._settings.kinds)] if self._dvc_cache else []
            directories += [self._remote] if isinstance(self._remote, Directory) else []
            places = [(directory, stack.enter_context(directory.writer())) for directory in directories]
            intake = Intake(places, remote, stack.enter_context(self._cache.scratch()))
            hashed, sent = Meter(progress, "hash", total), Meter(progress, "push", total)
            stored = intake.take(sources, hashed, sent)
            hashed.close()
            intake.send(sources, stored, sent, self._jobs)
            data = filelist.dump({file.path: file.md5 for file in stored})
            oid = f"{md5_of(data)}.dir"
            intake.write_list(data, oid)
        return Stored(oid, stored)

    def digest(
        self, source: Path, progress: Progress = silent, beside: Mapping[str, Path] = NOTHING
    ) -> Stored:
        """Return what `take` would store, and store nothing."""
        sources = survey(source, beside)
        meter = Meter(progress, "hash", sum(file.size for file in sources))
        with disk.disk_errors():
            read = [(file.path, read_digests(file.location, meter.add)) for file in sources]
        meter.close()
        stored = tuple(StoredFile(path, d.size, d.sha256, d.md5) for path, d in read)
        return Stored(f"{md5_of(filelist.dump({f.path: f.md5 for f in stored}))}.dir", stored)

    def missing(self, oids: Iterable[str]) -> tuple[str, ...]:
        """Return which objects the remote lacks, and which of the files that a list among them names."""
        wanted: dict[str, None] = {}
        with disk.disk_errors():
            for oid in oids:
                wanted[_checked(oid)] = None
                wanted.update(dict.fromkeys(self._listed(oid)))
            lacking = self._remote.missing(wanted)
        return tuple(oid for oid in wanted if oid in lacking)

    def listing(self, oid: str) -> Mapping[str, str]:
        """Return relpath -> md5 of a list of files. Integrity if it is not one that an artifact may have."""
        if not _checked(oid).endswith(".dir"):
            raise Invalid(f"{oid} is the address of a file, not of a list of files.")
        with disk.disk_errors():
            return self._listing(oid, self._sources, kept=True)

    def pull(
        self,
        oid: str,
        files: Sequence[ArtifactFile],
        destination: Path,
        progress: Progress = silent,
        link: Link = "copy",
        wanted: Sequence[ArtifactFile] | None = None,
        replace: bool = False,
    ) -> bool:
        """Lay an artifact's files out at destination, which must not exist or be an empty directory.

        All of them appear at once, after each was verified; of the `wanted` ones alone if they are given. False
        if destination has exactly these already, which is verified, too. Another directory stays as it is until
        its files can be put in its place, if `replace` says so, and else is a Conflict. `link` says how files
        come out of muster's cache: "copy" and "reflink" are files of their own, "hardlink" and "symlink" the
        cache's, read-only; "auto" is the first of hardlink, reflink and copy that works, read-only. Integrity if
        the list or a file is not what the manifest says, NotFound if one is not there.
        """
        destination = Path(os.path.abspath(destination))
        chosen = files if wanted is None else wanted
        with disk.disk_errors():
            if output.holds(destination, chosen, self._cache, progress):
                return False
            output.require_free(destination, replace, self._cache)
            md5s = self._listing_of(oid, files, self._sources, kept=True)
            with disk.scratch(destination.parent, f".{destination.name[:100]}.muster-") as quarantine:
                built = f"{quarantine}/files"
                self._lay_out(chosen, md5s, built, link, Meter(progress, "pull", _size(chosen)))
                output.put(built, destination, replace)
        return True

    def open(
        self, oid: str, files: Sequence[ArtifactFile], wanted: ArtifactFile, progress: Progress = silent
    ) -> BinaryIO:
        """Return one of an artifact's files, open for reading: muster's cache's, verified since it was opened."""
        with disk.disk_errors():
            md5s = self._listing_of(oid, files, self._sources, kept=True)
            with self._cache.scratch() as scratch:
                meter = Meter(progress, "pull", wanted.size)
                delivery = Delivery(self._cache, self._sources, scratch, "copy", meter)
                opened = BufferedReader(delivery.open(wanted, md5s[wanted.path]))
                meter.close()
        return opened

    def tree(self, oid: str, files: Sequence[ArtifactFile], digest: str, progress: Progress = silent) -> Path:
        """Return a read-only directory of an artifact's files in muster's cache, verified now.

        `digest` is the artifact's: `sha256:` and 64 hexadecimal digits.
        """
        if not _DIGEST.fullmatch(digest):
            raise Invalid(f"{digest!r} is not the digest of an artifact.")
        place = self._cache.tree_path(digest)
        with disk.disk_errors():
            if not self._holds(place, files, progress):
                self._build_tree(oid, files, place, progress)
        return place

    def verify(
        self, oid: str, files: Sequence[ArtifactFile], progress: Progress = silent
    ) -> tuple[Finding, ...]:
        """Read every byte of an artifact from the remote, keep none, and return what is not as registered."""
        findings: list[Finding] = []
        with disk.disk_errors(), self._cache.scratch() as scratch:
            try:
                md5s = self._listing_of(oid, files, (self._remote,), kept=False)
            except (Integrity, NotFound) as error:
                return (Finding("", VERIFY_RULE, str(error)),)
            meter = Meter(progress, "verify", _size(files))

            def check(file: ArtifactFile) -> None:
                try:
                    self._read_back(file, md5s[file.path], scratch, meter)
                except (Integrity, NotFound) as error:
                    findings.append(Finding(file.path, VERIFY_RULE, str(error)))

            in_parallel(self._jobs, check, files)
            meter.close()
        return tuple(sorted(findings, key=lambda finding: finding.path))

    def _listed(self, oid: str) -> Iterable[str]:
        """Return the files that a list names, if it is a list and can be read."""
        if not oid.endswith(".dir"):
            return ()
        try:
            return self._listing(oid, self._sources, kept=True).values()
        except (Integrity, NotFound):
            return ()

    def _listing_of(
        self, oid: str, files: Sequence[ArtifactFile], sources: Sequence[Directory | Remote], kept: bool
    ) -> Mapping[str, str]:
        """Return the list, which must name exactly the files of the manifest."""
        for file in files:
            if not _SHA256.fullmatch(file.sha256):  # it becomes part of a path
                raise Integrity(f"The manifest's sha256 of {file.path!r} is none: {file.sha256!r}.")
        paths = [file.path for file in files]
        if problems := [f"{path!r} {why}" for path, why in filelist.problems_with_paths(paths)]:
            raise Integrity(f"The manifest names files that no artifact may have: {'; '.join(problems[:5])}.")
        listed = self._listing(_checked(oid), sources, kept)
        if odd := sorted(set(paths) ^ set(listed)):
            raise Integrity(
                f"The list of files {oid} is not that of the manifest: they differ in {', '.join(odd[:5])}.",
                hint="Trust nothing of this version until somebody has looked.",
            )
        return listed

    def _listing(self, oid: str, sources: Sequence[Directory | Remote], kept: bool) -> Mapping[str, str]:
        """Return a list from the first place that has it; from muster's cache only if `kept`."""
        if kept and (data := self._cache.read_list(oid, filelist.MAX_BYTES)) and f"{md5_of(data)}.dir" == oid:
            return _parsed(oid, data)
        for source in sources:
            try:
                data = self._read(source, oid)
            except NotFound:
                if source is sources[-1]:
                    raise
                continue
            if f"{md5_of(data)}.dir" == oid:
                break
        else:
            raise Integrity(
                f"The list of files {sources[-1].uri(oid)} is not the one that was registered.",
                hint="Trust nothing from this remote until somebody has looked.",
            )
        listed = _parsed(oid, data)
        self._cache.keep_list(data, oid)
        return listed

    def _read(self, source: Directory | Remote, oid: str) -> bytes:
        if isinstance(source, Directory):
            return source.read(oid, filelist.MAX_BYTES)
        with self._cache.scratch() as scratch:
            source.fetch(oid, f"{scratch}/list", filelist.MAX_BYTES)
            return Path(scratch, "list").read_bytes()

    def _lay_out(
        self, files: Sequence[ArtifactFile], md5s: Mapping[str, str], root: str, link: Link, meter: Meter
    ) -> None:
        with self._cache.scratch() as scratch:
            Delivery(self._cache, self._sources, scratch, link, meter).lay_out(files, md5s, root, self._jobs)
        meter.close()

    def _read_back(self, file: ArtifactFile, md5: str, scratch: str, meter: Meter) -> None:
        """Read one file of the remote. Integrity or NotFound if it is not there as it was registered."""
        if isinstance(self._remote, Directory):
            verify_in_place(self._remote, file, md5, meter)
            return
        target = f"{scratch}/{file.sha256}-{threading.get_ident()}"
        try:
            fetch_verified(self._remote, file, md5, target, meter)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(target)

    def _holds(self, place: Path, files: Sequence[ArtifactFile], progress: Progress) -> bool:
        """Tell whether a directory of the cache has exactly these files. Any other is taken away."""
        if not os.path.lexists(place):
            return False
        if output.holds(place, files, self._cache, progress):
            return True
        with self._cache.scratch() as scratch, suppress(FileNotFoundError):  # another took it away first
            if not place.is_symlink():
                os.chmod(place, 0o700)
            os.rename(place, f"{scratch}/refused")
        return False

    def _build_tree(self, oid: str, files: Sequence[ArtifactFile], place: Path, progress: Progress) -> None:
        md5s = self._listing_of(oid, files, self._sources, kept=True)
        with self._cache.scratch() as scratch:
            built = f"{scratch}/tree"
            self._lay_out(files, md5s, built, "auto", Meter(progress, "pull", _size(files)))
            for directory, _, _ in os.walk(built):
                os.chmod(directory, 0o700 if directory == built else disk.READ_ONLY_DIRECTORY)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.rename(built, place)
                os.chmod(place, disk.READ_ONLY_DIRECTORY)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not self._holds(
                    place, files, progress
                ):
                    raise


def _checked(oid: str) -> str:
    """Return oid, which becomes part of a path; Invalid if it is none."""
    if not _OID.fullmatch(oid):
        raise Invalid(
            f"{oid!r} is not the address of an object: 32 hexadecimal digits, and .dir for a list of files."
        )
    return oid


def _parsed(oid: str, data: bytes) -> Mapping[str, str]:
    try:
        return filelist.parse(data)
    except ValueError as error:
        raise Integrity(
            f"The list of files {oid} is not one that an artifact may have: {error}.",
            hint="Trust nothing of this version until somebody has looked.",
        ) from error


def _size(files: Iterable[ArtifactFile]) -> int:
    return sum(file.size for file in files)
