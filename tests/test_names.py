"""The grammar of names and references, each with its inverse."""

from __future__ import annotations

import unicodedata
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muster.core import names
from muster.core.names import Place, Reference, decode, encode, fold, locate, parse_reference, path_of

_characters = st.characters(blacklist_categories=("C", "Z"), blacklist_characters="/:")
_likely = st.text(st.sampled_from("abzAZ09._- @~%éñ模型ъ'\""), min_size=1, max_size=20)
_words = _likely | st.text(_characters, min_size=1, max_size=40)
valid_names = _words.map(lambda text: unicodedata.normalize("NFC", text)).filter(
    lambda name: names.problem_with_model_name(name) is None
)
valid_aliases = valid_names.filter(lambda name: names.problem_with_alias(name) is None)
valid_labels = valid_names.filter(lambda name: names.problem_with_label(name) is None)
numbers = st.integers(1, 999_999_999).map(str)
places = st.one_of(
    st.just(Place("registry")),
    st.builds(Place, st.sampled_from(["model", "ignore"]), valid_names),
    st.builds(Place, st.sampled_from(["version", "dvc", "tombstone", "annotations"]), valid_names, numbers),
    st.builds(Place, st.just("alias"), valid_names, valid_aliases),
    st.builds(Place, st.just("stage"), valid_names, valid_labels),
    st.builds(Place, st.just("label"), valid_names, valid_labels),
)
references = st.one_of(
    st.builds(Reference, valid_names),
    st.builds(Reference, valid_names, st.just("version"), numbers),
    st.builds(Reference, valid_names, st.just("alias"), valid_aliases),
    st.builds(Reference, valid_names, st.just("latest"), st.just("latest")),
    st.builds(Reference, valid_names, st.just("name"), valid_labels),
)


@given(_words)
def test_a_name_is_encoded_and_decoded_back(name: str) -> None:
    assert decode(encode(name)) == name
    assert set(encode(name)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%")


@given(st.text(st.sampled_from("a%2fF4e~+ .-_"), max_size=12) | st.text(max_size=12))
def test_a_segment_is_decoded_only_if_it_is_how_a_name_is_written(segment: str) -> None:
    try:
        name = decode(segment)
    except ValueError:
        return
    assert encode(name) == segment


@given(st.text(st.characters(whitelist_categories=("Cs",)), min_size=1) | st.just("a\udcffb"))
def test_half_a_surrogate_pair_is_no_name_and_no_path_is_its_own(name: str) -> None:
    assert names.problem_with_name(name)
    assert locate(names.path("model", name)) is None


@given(places)
def test_a_place_is_found_at_its_path(place: Place) -> None:
    assert locate(path_of(place)) == place
    assert path_of(place).isascii()
    assert len(path_of(place)) < 450


@given(st.text(max_size=60) | st.builds("models/{}/{}".format, _words, _words))
def test_a_path_is_the_place_it_is_located_at(path: str) -> None:
    if (place := locate(path)) is not None:
        assert path_of(place) == path


@given(places, st.sampled_from(["\n", "/", " ", ".bak", "\x00", "%0A"]))
def test_nothing_may_follow_a_path(place: Place, more: str) -> None:
    assert locate(path_of(place) + more) is None


def test_every_kind_of_place_is_drawn_in_the_layout() -> None:
    for kind in get_args(names.Kind):
        assert kind in (names.__doc__ or ""), kind


@given(references, st.sampled_from(["", "models:/"]))
def test_a_reference_is_read_back_as_it_is_written(reference: Reference, scheme: str) -> None:
    assert parse_reference(f"{scheme}{reference}") == reference


@given(st.text(max_size=30) | st.builds("{}{}{}".format, _words, st.sampled_from("/@:"), _words))
def test_whatever_is_typed_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ValueError:
        return
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("bikes", Reference("bikes")),
        ("bikes/3", Reference("bikes", "version", "3")),
        ("models:/bikes/3", Reference("bikes", "version", "3")),
        ("bikes@champion", Reference("bikes", "alias", "champion")),
        ("models:/bikes@champion", Reference("bikes", "alias", "champion")),
        ("bikes/production", Reference("bikes", "name", "production")),
        ("bikes/Production", Reference("bikes", "name", "Production")),
        ("bikes/1.4.0", Reference("bikes", "name", "1.4.0")),
        ("bikes/latest", Reference("bikes", "latest", "latest")),
        ("bikes/LATEST", Reference("bikes", "latest", "latest")),
        ("bikes@latest", Reference("bikes", "latest", "latest")),
        ("bikes/03", Reference("bikes", "name", "03")),
        ("bikes/0", Reference("bikes", "name", "0")),
        ("bikes/v3", Reference("bikes", "name", "v3")),
        ("Email campaign/2", Reference("Email campaign", "version", "2")),
    ],
)
def test_a_reference_is_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


NO_REFERENCES = """\
|/|/3|@|@champion|bikes/|bikes@|bikes/3/4|a/b@c/d|-x/3|--help|models:/|models://bikes/3|runs:/1/model|bikes/-1|..|../x"""


@pytest.mark.parametrize(
    "text", [*NO_REFERENCES.split("|"), "bikes/3\n", "bi\x1bkes/3", "bikes/\u202e3", "bikes@\udcff"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a reference"):
        parse_reference(text)


NAMES = """\
EmailMarketingCampaign|bikes|Tensorflow-model|a|0|iris_v2.1|Größe|\
模型|モデル名|日本語モデル|модель|my model|a+b|50%|C++|_private"""


@pytest.mark.parametrize("name", [*NAMES.split("|"), "x~y", "x" * 128])
def test_what_people_call_models_is_a_name(name: str) -> None:
    assert names.problem_with_model_name(name) is None
    assert decode(encode(name)) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "cannot be empty"),
        ("x" * 129, "at most 128 characters"),
        ("模" * 70, "at most 200 bytes once percent-encoded"),
        ("a/b", "cannot contain '/'"),
        ("a:b", "cannot contain ':'"),
        ("a\nb", "cannot contain"),
        ("a\x00", "cannot contain"),
        ("a\x7f", "cannot contain"),
        ("a\u200bb", "cannot contain"),
        ("a\u202eb", "cannot contain"),
        ("a\u00a0b", "cannot contain"),
        ("a\ufeff", "cannot contain"),
        ("\ud800", "cannot contain"),
        ("\ue000", "cannot contain"),
        (".git", "cannot begin with"),
        ("..", "cannot begin with"),
        ("-rf", "cannot begin with"),
        ("a.", "end with '.'"),
        (" a", "begin or end with a space"),
        ("a ", "begin or end with a space"),
        ("e\u0301", "normal form NFC"),
        ("bіkes", "several scripts"),
        ("αlpha", "several scripts"),
        ("con", "reserved on Windows"),
        ("NUL.txt", "reserved on Windows"),
        ("Com1", "reserved on Windows"),
        ("a@b", "cannot contain '@'"),
    ],
)
def test_what_cannot_name_a_model_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in (names.problem_with_model_name(name) or "")


@pytest.mark.parametrize("alias", ["latest", "LATEST", "3", "v3", "V03", "３", "v٣", "a@b", "a/b", ""])
def test_what_would_read_as_a_version_is_no_alias(alias: str) -> None:
    assert names.problem_with_alias(alias)


@pytest.mark.parametrize("label", ["latest", "Latest", "3", "03", "３", "٣", "", "a/b"])
def test_what_would_read_as_a_version_number_is_no_label(label: str) -> None:
    assert names.problem_with_label(label)


@pytest.mark.parametrize("label", ["1.4.0", "v3", "2026-05-01", "1.0.0-rc.1+build.5", "a@b"])
def test_what_people_label_versions_with_is_a_label(label: str) -> None:
    assert names.problem_with_label(label) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Churn", "churn"),
        ("my-model", "my_model"),
        ("my model", "my.model"),
        ("my--model", "my-model"),
        ("naïve", "naive"),
        ("straße", "STRASSE"),
        ("сосо", "coco"),
        ("ΒΙΚΕ", "BIKE"),
        ("ΒΊΚΈ", "BIKE"),
        ("ﬁle", "file"),
    ],
)
def test_names_that_look_alike_are_compared_as_one(a: str, b: str) -> None:
    assert fold(a) == fold(b)


@given(valid_names)
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(valid_names, valid_names)
def test_names_that_one_file_system_holds_as_one_are_compared_as_one(a: str, b: str) -> None:
    assume(a != b)
    if encode(a).casefold() == encode(b).casefold():
        assert fold(a) == fold(b)


@pytest.mark.parametrize(
    ("kind", "name", "number"),
    [
        ("version", "3.yaml", 3),
        ("dvc", "12.dvc", 12),
        ("tombstone", "5.deleted.yaml", 5),
        ("version", "5.deleted.yaml", None),
        ("tombstone", "5.yaml", None),
        ("version", "03.yaml", None),
        ("version", "3.yml", None),
        ("version", "x.yaml", None),
        ("version", "٣.yaml", None),
        ("version", "3", None),
        ("version", ".gitignore", None),
        ("version", "1234567890.yaml", None),
        ("version", "0.yaml", None),
    ],
)
def test_a_version_number_is_read_from_a_file_name(kind: names.Kind, name: str, number: int | None) -> None:
    assert names.number_in(kind, name) == number


@given(
    st.sampled_from(["version", "dvc", "tombstone"]),
    st.text(st.sampled_from("0123456789.yamldvce"), max_size=16),
)
def test_a_number_in_a_file_name_is_a_place_and_no_other_is(kind: names.Kind, name: str) -> None:
    place = locate(f"models/m/versions/{name}")
    expected = place.number if place is not None and place.kind == kind else None
    assert names.number_in(kind, name) == expected
