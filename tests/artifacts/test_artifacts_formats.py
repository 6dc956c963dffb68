"""The formats of DVC that muster reads and writes: the configuration, the `.dvc` file, the file list."""

from __future__ import annotations

import io
import json
import posixpath

import pytest
import yaml
from configobj import ConfigObj
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from muster.core import dvcconfig, dvcfile, filelist
from muster.core.dvcfile import DvcFile
from muster.core.errors import Invalid

MD5 = "0123456789abcdef0123456789abcdef"
# A busy machine is no failure, and most of what is generated is rightly refused.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


# --- the committed configuration ---

ORDINARY = b"""\
[core]
    remote = Storage   # the default
    autostage = true
[cache]
    type = "reflink,copy"
['remote "storage"']
    url = s3://models/registry
    endpointurl = https://s3.example.com
    region = eu-central-1
    jobs = 4
['remote "local"']
    url = ../../the remote, with a comma
""".replace(b"../../the remote, with a comma", b'"../../the remote, with a comma"')


def test_an_ordinary_configuration_is_read() -> None:
    config = dvcconfig.parse_config(ORDINARY)
    assert config.remote == "storage"
    assert config.cache == {"type": "reflink,copy"}
    assert config.remotes["storage"]["url"] == "s3://models/registry"
    assert config.remotes["local"] == {"url": "../../the remote, with a comma"}


def test_an_empty_configuration_names_no_remote() -> None:
    assert dvcconfig.parse_config(b"").remote is None


def remote(url: str, *lines: str) -> bytes:
    return "\n".join(["[core]", "remote = s", "['remote \"s\"']", f"url = {url}", *lines, ""]).encode()


@pytest.mark.parametrize(
    "url",
    [
        "../store",
        "/srv/store",
        "~/store",
        "s3://bucket/a",
        "gs://b",
        "azure://c/d",
        "oss://b/p",
        "hdfs://u@n:9000/x",
        "ssh://ada@host.example.com:2222/srv/x",
        "ssh://[::1]/x",
        "http://h/x",
        "https://h:8443/x",
        "webdavs://h/x",
    ],
)
def test_every_kind_of_remote_that_dvc_serves_may_be_committed(url: str) -> None:
    assert list(dvcconfig.problems_with_config(".dvc/config", remote(url))) == []


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (remote("ext::sh -c x"), 4),
        (remote("remote://other/x"), 4),
        (remote("file:///etc"), 4),
        (remote("gdrive://abc"), 4),
        (remote("host:path"), 4),
        (remote("simplecache::s3://b"), 4),
        (remote("https://ada:secret@h/x"), 4),
        (remote("https://ada@h/x"), 4),
        (remote("ssh://ada:secret@h/x"), 4),
        (remote("ssh://-oProxyCommand=x/y"), 4),
        (remote("s3://b/x?versionId=3"), 4),
        (remote("https://h:0/x"), 4),
        (remote("https://h:99999/x"), 4),
        (remote("s3:b"), 4),
        (remote("s3://"), 4),
        (remote("s3://b", "secret_access_key = x"), 5),
        (remote("s3://b", "profile = admin"), 5),
        (remote("s3://b", "credentialpath = /home/ada/.aws"), 5),
        (remote("s3://b", "configpath = x"), 5),
        (remote("s3://b", "ssl_verify = false"), 5),
        (remote("s3://b", "version_aware = true"), 5),
        (remote("s3://b", "worktree = true"), 5),
        (remote("s3://b", "endpointurl = ftp://h"), 5),
        (remote("s3://b", "endpointurl = https://u:p@h"), 5),
        (remote("s3://b", "jobs = 0"), 5),
        (remote("s3://b", "jobs = -4"), 5),
        (remote("s3://b", "port = 22"), 5),
        (remote("s3://b", "region = a b"), 5),
        (remote("s3://b", "region = %(x)s"), 5),
        (remote("ssh://h/x", "keyfile = ~/.ssh/id"), 5),
        (remote("ssh://h/x", "ask_password = true"), 5),
        (remote("ssh://h/x", "password = x"), 5),
        (remote("ssh://h/x", "port = 70000"), 5),
        (remote("webdavs://h/x", "bearer_token_command = x"), 5),
        (remote("webdavs://h/x", "key_path = x"), 5),
        (remote("http://h/x", "method = DELETE"), 5),
        (remote("http://h/x", "auth = basic"), 5),
        (remote("../x", "url = ../y"), 5),
        (remote("../x", "URL = ../y"), 5),
        (remote("../x", "[['deeper']]"), 5),
        (remote("../x", "[core]"), 5),
        (remote("../x", "['remote \"S\"']", "url = y"), 5),
        (remote("../x", "[db \"x\"]"), 5),
        (remote("../x", "[hydra]", "plugins_path = x"), 5),
        (remote("../x", "[exp]"), 5),
        (remote("../x", "[cache]", "dir = /tmp/x"), 6),
        (remote("../x", "[cache]", "shared = group"), 6),
        (remote("../x", "[cache]", "type = move"), 6),
        (remote("../x", "region = '''a"), 5),
        (remote("../x", "just words"), 5),
        (remote("../x", "jobs = 4, 5"), 5),
        (remote("../\u2028x"), 4),
        (remote("../\x0bx"), 4),
        (remote("../\u202ex"), 4),
        (remote("../a", "\r[core]"), 5),
        (b"remote = x\n", 1),
        (b"[core]\nremote = absent\n", 2),
        (b"[core]\nsite_cache_dir = x\n", 2),
        (b"[core]\nno_scm = true\n", 2),
        (b"[core]\nanalytics = maybe\n", 2),
        (b"['remote \"s\"']\njobs = 1\n", 0),
        (b"\xff\xfe", 0),
        (b"\xef\xbb\xbf[core]\n", 1),
        (b"#" * 70_000, 0),
    ],
)  # fmt: skip
def test_whatever_else_dvc_would_obey_is_refused_with_its_line(data: bytes, line: int) -> None:
    findings = list(dvcconfig.problems_with_config(".dvc/config", data))
    assert [f.line for f in findings if f.line == line] and {f.rule for f in findings} == {
        "dvc_config_is_plain"
    }
    with pytest.raises(Invalid) as caught:
        dvcconfig.parse_config(data)
    assert len(caught.value.findings) == len(findings)


def test_every_problem_of_a_configuration_is_found_at_once() -> None:
    data = remote("s3://b", "profile = x", "jobs = 0", "[exp]", "words")
    assert [f.line for f in dvcconfig.problems_with_config("c", data)] == [5, 6, 7, 8]


_line = st.one_of(
    st.sampled_from(
        [
            "[core]",
            "[cache]",
            "['remote \"s\"']",
            '[remote "s"]',
            "[ core ]",
            "['remote \"t\"'] # c",
            "remote = s",
            "url = ../x",
            "url = 's3://b'",
            'url = "a, b"',
            "type = reflink, copy",
            "type = copy # c",
            "jobs = 4#c",
            "\tjobs\t=\t4",
            "autostage=TRUE",
            "url = a b  ",
            "url = a'b",
            'url = a"b"',
            "url = ''",
            "url =",
            "",
        ]
    ),
    st.text(st.sampled_from("abs=\"'#,%()[] \t~/:.;\\$"), max_size=12).map(lambda t: f"url = {t}"),
    st.text(st.sampled_from("abs=\"'#,%()[] \t"), max_size=12),
)


@pytest.mark.slow
@PATIENT
@given(st.lists(_line, max_size=3), st.sampled_from(["\n", "\r\n"]))
def test_what_is_accepted_is_read_as_dvc_reads_it(lines: list[str], newline: str) -> None:
    data = newline.join(["['remote \"s\"']", "url = ../x", "[core]", "remote = s", *lines]).encode()
    assume(not list(dvcconfig.problems_with_config("c", data)))
    config = dvcconfig.parse_config(data)
    theirs = ConfigObj(io.StringIO(data.decode(), newline=None)).dict()
    ours = {"core": dict(config.core), "cache": dict(config.cache)}
    ours |= {f'remote "{name}"': dict(items) for name, items in config.remotes.items()}
    lowered = {k.lower(): {i.lower(): v for i, v in items.items()} for k, items in theirs.items()}
    kinds = lowered.get("cache", {}).get("type")
    if isinstance(kinds, list):
        lowered["cache"]["type"] = ",".join(kinds)
    if "type" in ours["cache"]:
        ours["cache"]["type"] = ",".join(k.strip() for k in ours["cache"]["type"].split(","))
    if isinstance(lowered.get("cache", {}).get("type"), str):
        lowered["cache"]["type"] = ",".join(k.strip() for k in lowered["cache"]["type"].split(","))
    assert {k: v for k, v in ours.items() if v} == {k: v for k, v in lowered.items() if v}


@PATIENT
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_judge_of_configurations(data: bytes) -> None:
    list(dvcconfig.problems_with_config("c", data))


# --- the .dvc file ---


@pytest.mark.parametrize(
    "file",
    [
        DvcFile(f"{MD5}.dir", 12, 3, "3"),
        DvcFile(MD5, 0, None, "model.onnx"),
        DvcFile("1" * 32, 5, None, "10"),
        DvcFile("1" * 32 + ".dir", 5, 1, "10"),
        DvcFile("1" * 30 + "e1", 5, None, "7"),
    ],
)
def test_a_dvc_file_is_read_as_it_was_written(file: DvcFile) -> None:
    assert dvcfile.read(yaml.safe_load(dvcfile.dump(file)), f"versions/{file.path}.dvc") == (file, [])


oids = st.from_regex(r"[0-9a-f]{32}(\.dir)?", fullmatch=True) | st.from_regex(
    r"[0-9]{20,31}e?[0-9]{1,11}", fullmatch=True
)


@PATIENT
@example(f"0b{'01' * 15}", "3", 1)
@given(
    oids,
    st.from_regex(r"[1-9][0-9]{0,8}|[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True),
    st.integers(0, 2**50),
)
def test_a_dvc_file_has_the_bytes_that_dvc_writes(oid: str, name: str, size: int) -> None:
    from dvc.utils.serialize import dumps_yaml

    assume(name.lower() not in ("true", "false", "null"))
    nfiles = 3 if oid.endswith(".dir") else None
    out = {"md5": oid, "size": size} | ({"nfiles": 3} if nfiles else {}) | {"hash": "md5", "path": name}
    assert dvcfile.dump(DvcFile(oid, size, nfiles, name)).decode() == dumps_yaml({"outs": [out]})


def test_an_md5_that_looks_like_a_binary_number_is_quoted_and_dvc_reads_it() -> None:
    from dvc.utils.serialize import parse_yaml

    oid = f"0b{'01' * 15}"
    text = dvcfile.dump(DvcFile(oid, 1, None, "3")).decode()
    assert f"md5: '{oid}'\n" in text
    assert parse_yaml(text, "3.dvc")["outs"][0]["md5"] == oid


@pytest.mark.parametrize("name", ["", "a b", "true", "-x", "1.5", "a/b", "naïve", "~"])
def test_a_name_that_yaml_might_bend_is_not_written(name: str) -> None:
    with pytest.raises(ValueError):
        dvcfile.dump(DvcFile(MD5, 1, None, name))


OUT = {"md5": f"{MD5}.dir", "size": 1, "nfiles": 1, "hash": "md5", "path": "3"}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "outs",
        {},
        {"outs": []},
        {"outs": [OUT, OUT]},
        {"outs": {"0": OUT}},
        {"outs": ["3"]},
        {"outs": [OUT], "deps": [{"path": "x"}]},
        {"outs": [OUT], "wdir": ".."},
        {"outs": [OUT], "cmd": "x"},
        {"outs": [OUT], "meta": {}},
        {"outs": [OUT], "frozen": True},
        *(
            {"outs": [{**OUT, key: "x"}]}
            for key in ("remote", "cache", "cloud", "files", "fs_config", "push", "desc")
        ),
        {"outs": [{**OUT, 3: "x"}]},
        {"outs": [{**OUT, "path": "../3"}]},
        {"outs": [{**OUT, "path": "4"}]},
        {"outs": [{**OUT, "path": 3}]},
        {"outs": [{**OUT, "hash": "md5-dos2unix"}]},
        {"outs": [{k: v for k, v in OUT.items() if k != "hash"}]},
        {"outs": [{**OUT, "md5": 1234}]},
        {"outs": [{**OUT, "md5": f"{MD5}.dir\n"}]},
        {"outs": [{**OUT, "md5": f"{MD5.upper()}.dir"}]},
        {"outs": [{**OUT, "md5": "../../etc"}]},
        {"outs": [{**OUT, "size": -1}]},
        {"outs": [{**OUT, "size": True}]},
        {"outs": [{**OUT, "size": 1.0}]},
        {"outs": [{k: v for k, v in OUT.items() if k != "size"}]},
        {"outs": [{**OUT, "nfiles": "1"}]},
        {"outs": [{k: v for k, v in OUT.items() if k != "nfiles"}]},
        {"outs": [{**OUT, "md5": MD5}]},
        {"outs": [{**OUT, "isexec": "yes"}]},
    ],
)
def test_a_dvc_file_that_says_anything_else_is_refused(document: object) -> None:
    file, findings = dvcfile.read(document, "models/m/versions/3.dvc")
    assert file is None
    assert {(f.path, f.rule) for f in findings} == {("models/m/versions/3.dvc", "dvc_file_is_plain")}


# --- the list of files ---


def listed(*paths: str) -> bytes:
    return json.dumps([{"md5": MD5, "relpath": path} for path in paths], sort_keys=True).encode()


names = st.text(st.sampled_from("abcåé½中😀 '\"{}[],:-_.~%$\u0301"), min_size=1, max_size=8)


@PATIENT
@given(st.dictionaries(st.lists(names, min_size=1, max_size=3).map("/".join), st.just(MD5), max_size=6))
def test_a_list_is_read_as_it_was_written(files: dict[str, str]) -> None:
    assume(not list(filelist.problems_with_paths(files)))
    assert filelist.parse(filelist.dump(files)) == files


@PATIENT
@given(st.lists(st.text(max_size=12), max_size=4))
def test_names_that_are_accepted_are_separate_places_below_the_root(paths: list[str]) -> None:
    refused = {path for path, _ in filelist.problems_with_paths(paths)}
    paths = [path for path in paths if path not in refused]
    for path in paths:
        assert posixpath.normpath(f"/root/{path}") == f"/root/{path}"
        assert not set(path) & set("\\:\0\n\x1b\x7f\x85\u2028\u200b\u202e")
        assert not any(part.casefold().startswith(".git") and len(part) < 5 for part in path.split("/"))
    assert len({path.casefold() for path in paths}) == len(paths)
    assert not any(a != b and b.startswith(f"{a}/") for a in paths for b in paths)


HOSTILE = [
    "/etc/passwd", "//x", "..", "../x", "a/../../x", "a/..", ".", "./a", "a/.", "a//b", "a/", "", "/",
    "a\\b", "..\\x", "C:", "C:x", "C:/x", "a:stream", "a\0b", "a\nb", "a\x1bb", "a\x7fb", "a\x85b",
    "a\u2028b", "a\u202eb", "a\u200bb", ".git", ".GIT/config", "x/.Git/hooks/post-checkout", ".git.", ".git ",
    "git~1", "GIT~1/x", ".dvc/config", ".DVC", "dvc.yaml", "x/dvc.lock", ".dvcignore", "x.dvc", "x/Y.DVC",
    "con", "CON.txt", "a/nul", "aux", "com1", "LPT9.bin", "COM¹", "conout$", "con .txt", "a.", "a ", "a./b",
    "x" * 256, "é" * 128, "/".join(["abc"] * 300),
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_name_that_could_do_harm_somewhere_is_refused(path: str) -> None:
    assert [p for p, _ in filelist.problems_with_paths([path])] == [path]
    with pytest.raises(ValueError):
        filelist.parse(listed(path))


@pytest.mark.parametrize(
    "paths",
    [
        ("a", "A"),
        ("a/x", "A/y"),
        ("é", "é"),
        ("straße", "STRASSE"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a", "a"),
        ("x/y/z", "x/y"),
        ("ﬁ", "FI"),
    ],
)
def test_names_that_would_meet_in_one_place_are_refused(paths: tuple[str, str]) -> None:
    assert [p for p, _ in filelist.problems_with_paths(paths)] == [paths[1]]
    with pytest.raises(ValueError):
        filelist.parse(listed(*sorted(paths)))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"{}", b"[", b"[]x", b"[[]]", b"[" * 100_000, b"[1]", b'["a"]', b"\xff",
        listed("a")[:-1], listed("a") + b"\n", b" " + listed("a"), listed("a", "b").replace(b", {", b",{"),
        listed("b", "a"), listed("a")[:-1] + b", ]", listed("a").replace(b"[{", b"[, {"),
        listed("a").replace(b'"relpath"', b'"path"'), listed("a").replace(b'"}', b'", "isexec": true}'),
        listed("a").replace(MD5.encode(), MD5.upper().encode()),
        listed("a").replace(MD5.encode(), MD5.encode() + b".dir"),
        listed("a").replace(b'"a"', b'"\\u0061"'), listed("a").replace(b'"a"', b'"\\q"'),
        listed("a").replace(b'"a"', b'"\xc3\xa9"'),
        listed("a").replace(b'"a"', b'"\\ud800"'), listed("a").replace(b'"a"', b"NaN"),
    ],
)  # fmt: skip
def test_a_list_that_dvc_would_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        filelist.parse(data)


@PATIENT
@given(st.binary(max_size=100))
def test_no_bytes_crash_the_reader_of_lists(data: bytes) -> None:
    with pytest.raises(ValueError):
        filelist.parse(b"[x" + data)
