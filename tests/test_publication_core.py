"""From files to the objects of an index: each is what its name says, and the way there makes no difference."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.core import dvcconfig, manifest, names, publication, published
from muster.core.errors import Integrity, Invalid
from muster.core.publication import Changed, Model
from support.registry import DVC_CONFIG

PATHS = (
    *("model.yaml", "aliases/a.yaml", "aliases/b.yaml", "stages/production.yaml", "labels/1.0.yaml"),
    *(f"versions/{n}.yaml" for n in (1, 2, 64, 65)),
    *("versions/2.dvc", "annotations/2.yaml", "annotations/65.yaml", "versions/3.deleted.yaml"),
)
DOCUMENTS = (
    b"version: 2\n",
    b"version: 65\n",
    b"versions: [1, 65]\n",
    b"a: [\n",
    b"text: " + b"x" * 20_000,
    None,
)


class Files:
    """The files of a model, as a dict of bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def value(self, path: str) -> Any:
        return publication.read(self._files[path], path)[0]

    def document(self, path: str) -> Any:
        return manifest.parse(self._files[path], path)


def updated(old: Model, kept: dict[str, bytes], files: Mapping[str, bytes], paths: set[str]) -> Model:
    """A model after paths changed to what they are in files; objects are kept."""
    read = {path: publication.read(files[path], path) for path in paths if path in files}
    changed = Changed({path: value for path, (value, _) in read.items()}, paths - files.keys())
    pages = {n: _object(kept, old.pages[n])["files"] for n in changed.pages() if n in old.pages}
    update = publication.update(old, pages, changed, Files(files))
    kept |= update.objects
    for _, large in read.values():
        kept |= large
    if update.model is None:
        return Model(old.name)
    assert update.dropped.isdisjoint({update.model.rest, *update.model.pages.values()})
    return Model.of(old.name, update.model.entry(), _object(kept, update.model.rest))


def _object(kept: Mapping[str, bytes], digest: str) -> Any:
    return json.loads(kept[digest])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(DOCUMENTS), max_size=6), max_size=5))
def test_a_model_that_followed_its_files_is_the_one_that_is_built_at_once(
    edits: list[dict[str, bytes | None]],
) -> None:
    files: dict[str, bytes] = {}
    kept: dict[str, bytes] = {}
    model = Model("bikes")
    for edit in edits:
        for path, data in edit.items():
            files.pop(path, None)
            if data is not None:
                files[path] = data
        model = updated(model, kept, files, set(edit))
    assert model == updated(Model("bikes"), {}, files, set(files))


def test_dvcs_configuration_is_read_from_an_index_as_it_was_written() -> None:
    data = DVC_CONFIG + b"    region = 'eu-1' # where it is\n[cache]\n    type = \"copy, hardlink\"\n"
    assert dvcconfig.parse_config(publication.configuration(data).encode()) == dvcconfig.parse_config(data)


def test_an_object_is_opened_only_if_it_is_what_its_name_says() -> None:
    text = b'{"a": 1}'
    digest = published.digest(text)
    assert publication.unpack(publication.pack(text), digest) == text
    for wrong in (
        b"",
        b"x",
        publication.pack(b"{}"),
        publication.pack(text)[:-1],
        publication.pack(text) + b"x",
    ):
        with pytest.raises(Integrity):
            publication.unpack(wrong, digest)


@pytest.mark.slow
def test_a_bomb_is_not_unpacked() -> None:
    made = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(made.compress(bytes(1 << 20)) for _ in range(65)) + made.flush()
    with pytest.raises(Integrity):
        publication.unpack(bomb, "0" * 64)


def test_an_object_that_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(Invalid, match="bytes"):
        publication.pack(bytes(published.MAX_OBJECT + 1))


def test_every_place_of_a_model_has_a_home_in_the_index() -> None:
    for kind in ("model", "version", "dvc", "tombstone", "annotations", "alias", "stage", "label", "hold"):
        place = names.locate(names.path(kind, "@ü", "1"))
        assert publication.belongs(place)
        assert place is not None
        assert names.locate(f"{names.model_directory('@ü')}/{publication.within(place)}") == place
