"""Every rule, broken on purpose; and what a change may not slip in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import checks, dvcfile, names
from muster.core import operations as ops
from muster.core.codeowners import BEGIN, END
from muster.core.errors import Finding, Invalid, NotFound
from muster.core.layout_rules import MAX_BYTES
from muster.core.models import Artifact, ArtifactFile, Evaluation, Lineage, Parent, digest_of
from muster.core.snapshot import EMPTY, Change, Snapshot
from support.registry import (
    ANN,
    GATED,
    NO_GATES,
    NOON,
    after,
    built,
    edited,
    manifest_file,
    valid,
    version,
    with_policy,
    yaml,
)

VALID = valid()
BIKES = "models/bikes"


@dataclass(frozen=True)
class Broken:
    """One way to break a rule: files set or (None) taken away, and the finding to expect."""

    name: str
    path: str
    data: bytes | None
    rule: str
    says: str
    at: str = ""  # what stands at the line and column of the finding; empty: it is about the whole file
    beside: Mapping[str, bytes | None] = field(default_factory=dict)
    special: Mapping[str, str] = field(default_factory=dict)
    before: Snapshot = VALID

    def change(self) -> Change:
        files = {**self.beside, self.path: self.data}
        return Change({p: d for p, d in files.items() if p not in self.special}, special=self.special)


def with_files(number: int, *files: ArtifactFile, **fields: object) -> bytes:
    """bikes/<number> with other files."""
    artifact = Artifact(".", "onnx", sum(f.size for f in files), digest_of(files), files)
    return manifest_file(VALID, "bikes", 6, version=number, artifacts=(artifact,), **fields)


def dvc(number: int, size: int = 3, nfiles: int | None = 1, oid: str = "0" * 32 + ".dir") -> bytes:
    return dvcfile.dump(dvcfile.DvcFile(oid, size, nfiles, str(number)))


def file(path: str = "model.onnx", size: int = 3) -> ArtifactFile:
    return ArtifactFile(path, size, "ab" * 32)


def a(
    name: str,
    path: str,
    data: bytes | None,
    rule: str,
    says: str,
    at: str = "",
    beside: Mapping[str, bytes | None] | None = None,
    **more: object,
) -> Broken:
    return Broken(name, path, data, rule, says, at, beside or {}, **more)  # type: ignore[arg-type]


V7 = f"{BIKES}/versions/7.yaml"
D7 = {f"{BIKES}/versions/7.dvc": dvc(7)}
M1 = VALID.files[f"{BIKES}/versions/1.yaml"]
TOMB = yaml(f"by: {ANN}\nat: '{NOON}'\nreason: gone")
STAGE = f"{BIKES}/stages"
ALIAS = f"{BIKES}/aliases"
CARD = f"{BIKES}/model.yaml"
DVC2 = VALID.files[f"{BIKES}/versions/2.dvc"].decode()
DELETED_2 = {
    f"{BIKES}/versions/2.yaml": None,
    f"{BIKES}/versions/2.dvc": None,
    f"{BIKES}/annotations/2.yaml": None,
}
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{c}: &{c} [{','.join([f'*{b}'] * 9)}]\n".encode() for b, c in zip("abcdefgh", "bcdefghi", strict=True)
)
LOCKED = edited(
    VALID, {CARD: VALID.files[CARD] + b"policy:\n  stages:\n    staging:\n      exclusive: true\n"}
)

OWNED_BY = ["/models/bikes/  @rides"]


def codeowners(*lines: str, guards: str = "/models/*/stages/production.yaml @team") -> bytes:
    return "\n".join(["* @all", BEGIN, *lines, END, guards, ""]).encode()


OWNED = edited(VALID, {"CODEOWNERS": codeowners(*OWNED_BY)})
JUDGED = "models/taxis/annotations/1.yaml"
RENAMED_TAXIS = ops.plan(VALID, ops.RenameModel("taxis", "cabs"))

TABLE = [
    # --- files ---
    a("symbolic link", CARD, b"", "file_is_plain", "a symbolic link", special={CARD: "symbolic link"}),
    a("submodule", "vendor", b"", "file_is_plain", "a submodule", special={"vendor": "submodule"}),
    a("huge blob", "big", b"", "file_is_plain", "a 99999999 bytes", special={"big": "99999999 bytes"}),
    a("huge file", "README", b"x" * (MAX_BYTES + 1), "file_is_plain", "more than"),
    a("unknown file", f"{BIKES}/notes.txt", b"", "path_is_known", "nothing of the registry"),
    a("artifact in git", f"{BIKES}/versions/1/model.onnx", b"", "path_is_known", "nothing of the registry"),
    a("version 0", f"{BIKES}/versions/0.yaml", M1, "path_is_known", "nothing of the registry"),
    a("version 03", f"{BIKES}/versions/03.yaml", M1, "path_is_known", "nothing of the registry"),
    a("version in other digits", f"{BIKES}/versions/٣.yaml", M1, "path_is_known", "nothing of the registry"),
    a("newline after a path", f"{CARD}\n", b"", "path_is_known", "nothing of the registry"),
    a("name not encoded", "models/b c/model.yaml", b"", "path_is_known", "nothing of the registry"),
    a("name encoded twice", "models/%62ikes/model.yaml", b"", "path_is_known", "nothing of the registry"),
    a("half a letter", "models/%E4/model.yaml", b"", "path_is_known", "nothing of the registry"),
    a("pipeline", "dvc.yaml", b"stages: {}", "path_is_known", "run commands"),
    a("lock", "sub/dvc.lock", b"", "path_is_known", "run commands"),
    a("ignores", "sub/.dvcignore", b"*", "path_is_known", "run commands"),
    a("DVC project below", "sub/.dvc/config", b"", "path_is_known", "a DVC project inside"),
    a("DVC plots", ".dvc/plots/x.json", b"", "path_is_known", "nothing but config"),
    a("DVC's local config", ".dvc/config.local", b"", "path_is_known", "nothing but config"),
    a("DVC in capitals", ".DVC/config", b"", "path_is_known", "would take its place"),
    a("DVC with a dot", ".dvc./config", b"", "path_is_known", "would take its place"),
    a("DVC's short name", "DVC~1/config", b"", "path_is_known", "would take its place"),
    a("DVC's stream", ".dvc::$INDEX_ALLOCATION/config", b"", "path_is_known", "would take its place"),
    a("DVC with joiner", ".d\u200dvc/config", b"", "path_is_known", "would take its place"),
    a("models in capitals", "Models/bikes/model.yaml", b"", "path_is_known", "would take its place"),
    a("registry in capitals", "Registry.YAML", b"", "path_is_known", "would take its place"),
    a("git", "sub/.GIT/config", b"", "path_is_known", "a git repository"),
    a("git's short name", "git~1/hooks/pre-commit", b"", "path_is_known", "a git repository"),
    a(
        *("ignoring manifests", f"{BIKES}/versions/.gitignore", b"/1\n*.yaml\n"),
        *("ignore_file_ignores_artifacts_only", "'*.yaml'", "*.yaml"),
    ),
    # --- names ---
    a("leading dash", "models/-x/model.yaml", yaml("name: -x"), "name_is_valid", "cannot begin with"),
    a("two dots", "models/../model.yaml", yaml("name: .."), "name_is_valid", "cannot begin with"),
    a("device", "models/nul.txt/model.yaml", yaml("name: x"), "name_is_valid", "reserved on Windows"),
    a(
        *("homoglyph", f"models/{names.encode('bіkes')}/model.yaml", yaml("name: bіkes")),
        *("name_is_valid", "mix letters of several scripts"),
    ),
    a("bidi", f"models/{names.encode('a‮b')}/model.yaml", yaml("name: x"), "name_is_valid", "cannot contain"),
    a("newline", "models/a%0A/model.yaml", yaml("name: x"), "name_is_valid", "cannot contain"),
    a("slash", "models/a%2Fb/model.yaml", yaml("name: a/b"), "name_is_valid", "cannot contain '/'"),
    a("at sign", "models/a%40b/model.yaml", yaml("name: a@b"), "name_is_valid", "cannot contain '@'"),
    a("not NFC", "models/e%CC%81/model.yaml", yaml("name: x"), "name_is_valid", "normal form"),
    a("alias 3", f"{ALIAS}/3.yaml", yaml("version: 1"), "name_is_valid", "read as a version"),
    a("alias v3", f"{ALIAS}/V3.yaml", yaml("version: 1"), "name_is_valid", "read as a version"),
    a("alias latest", f"{ALIAS}/Latest.yaml", yaml("version: 1"), "name_is_valid", "read as a version"),
    a("alias ３", f"{ALIAS}/%EF%BC%93.yaml", yaml("version: 1"), "name_is_valid", "read as a version"),
    a("label 3", f"{BIKES}/labels/3.yaml", yaml("version: 3"), "name_is_valid", "read as a version number"),
    a(
        *("Bikes beside bikes", "models/Bikes/model.yaml", yaml("name: Bikes")),
        *("names_are_distinct", "too much like 'bikes'"),
    ),
    a(
        *("a word all in Cyrillic", f"models/{names.encode('тахіѕ')}/model.yaml", yaml("name: тахіѕ")),
        *("names_are_distinct", "too much like 'taxis'"),
    ),
    a(
        *("Champion beside champion", f"{ALIAS}/Champion.yaml", yaml("version: 1")),
        *("names_are_distinct", "too much like 'champion'"),
    ),
    a(
        *("label in other case", f"{BIKES}/labels/V-a.yaml", yaml("version: 7")),
        *("names_are_distinct", "too much like 'v-a'"),
        "",
        {V7: with_files(7, file(), label="V-a"), **D7},
        before=edited(
            built(version("bikes", "a", label="v-a"), *(version("bikes", str(n)) for n in range(5))), {}
        ),
    ),
    # --- DVC ---
    a(
        *(
            "credentials",
            ".dvc/config",
            b"[core]\n    remote = s\n['remote \"s\"']\n    url = s3://b\n    password = x\n",
        ),
        *("dvc_config_is_plain", "`password` cannot be set here"),
        "password = x",
    ),
    a("command", ".dvc/config", b"[hydra]\n", "dvc_config_is_plain", "not a section", "[hydra"),
    a("deps", f"{BIKES}/versions/2.dvc", f"{DVC2}deps: []\n".encode(), "dvc_file_is_plain", "nothing else"),
    a("wdir", "x.dvc", f"wdir: /\n{DVC2}".encode(), "dvc_file_is_plain", "nothing else"),
    a("cmd", "x.dvc", f"cmd: rm -rf /\n{DVC2}".encode(), "dvc_file_is_plain", "nothing else"),
    a("remote", "x.dvc", f"{DVC2}  remote: evil\n".encode(), "dvc_file_is_plain", "cannot have `remote`"),
    a(
        *("another output", "x.dvc", DVC2.replace("'2'", "../../.ssh").encode()),
        *("dvc_file_is_plain", "`path` must be the string 'x'"),
    ),
    a(
        "number as path",
        f"{BIKES}/versions/7.dvc",
        dvc(7).replace(b"'7'", b"7"),
        "dvc_file_is_plain",
        "string '7'",
    ),
    # --- documents ---
    a("YAML bomb", CARD, BOMB, "yaml_is_strict", "anchors (&name)", "&a [x"),
    a(
        "duplicate key",
        CARD,
        yaml("name: bikes\nname: cars"),
        "yaml_is_strict",
        "'name' is here twice",
        "name:",
    ),
    a("NaN", CARD, yaml("name: bikes\nextra: {x: .nan}"), "yaml_is_strict", ".nan is not a finite", ".nan"),
    a(
        "tag",
        CARD,
        yaml("name: !!python/name:os.system x"),
        "yaml_is_strict",
        "tags are not allowed",
        "!!python",
    ),
    a("deep", CARD, b"[" * 100_000, "yaml_is_strict", "nested deeper"),
    a("UTF-16", CARD, "name: bikes".encode("utf-16"), "yaml_is_strict", "not YAML"),
    a("nothing", f"{ALIAS}/x.yaml", b"", "schema_matches", "None is not of type 'object'"),
    a(
        "wrong type",
        f"{ALIAS}/x.yaml",
        yaml("version: one"),
        "schema_matches",
        "version: 'one' is not",
        "one",
    ),
    a(
        "float as number",
        f"{ALIAS}/x.yaml",
        yaml("version: 1.0"),
        "schema_matches",
        "version: 1.0 is not",
        "1.0",
    ),
    a(
        "unknown key",
        f"{ALIAS}/x.yaml",
        yaml("version: 1\nvresion: 2"),
        "schema_matches",
        "'vresion'",
        "schema:",
    ),
    a(
        *(
            "newline after a digest",
            V7,
            with_files(7, file()).replace(b"ab" * 32, b'"' + b"ab" * 32 + b'\\n"'),
        ),
        *("schema_matches", "does not fit: SHA-256"),
    ),
    a("newer schema", CARD, b"schema: 2\nname: bikes\n", "schema_is_known", "newer than this muster", "2"),
    a("newer dvc schema", "registry.yaml", b"schema: 2\n", "schema_is_known", "newer than this", "2"),
    # --- models ---
    a(
        *("name left behind is used again", "models/lorries/model.yaml", yaml("name: lorries")),
        *("former_name_stays", "not used again"),
    ),
    a("trace removed", "models/lorries/model.yaml", None, "former_name_stays", "not used again"),
    a(
        *("renamed over another", "models/taxis/model.yaml", yaml("name: taxis\nrenamed_to: bikes")),
        *("former_name_stays", "'bikes' was taken already", "bikes"),
    ),
    a(
        *("renamed to nothing", "models/taxis/model.yaml", yaml("name: taxis\nrenamed_to: cabs")),
        *("former_name_stays", "does not say that 'cabs' was called 'taxis'", "cabs"),
    ),
    a(
        *("false former name", CARD, VALID.files[CARD] + b"formerly: [taxis]\n"),
        *("former_name_stays", "does not say that 'taxis' was renamed", "taxis"),
    ),
    a(
        "no model",
        "models/cars/aliases/x.yaml",
        yaml("version: 1"),
        "model_is_declared",
        "model.yaml is missing",
    ),
    a("model.yaml removed", CARD, None, "model_is_declared", "model.yaml is missing"),
    a(
        *("left behind by a rename", "models/lorries/aliases/x.yaml", yaml("version: 1")),
        *("model_is_declared", "called 'vans' now"),
    ),
    a("other name", CARD, yaml("name: cars"), "model_file_fits_its_place", "says 'cars'", "cars"),
    # --- versions ---
    a(
        *("edited", f"{BIKES}/versions/1.yaml", M1.replace(b"50.0", b"5.0")),
        *("version_is_immutable", "cannot be changed"),
    ),
    a("deleted", f"{BIKES}/versions/6.yaml", None, "version_is_immutable", "only with a tombstone"),
    a(".dvc deleted", f"{BIKES}/versions/6.dvc", None, "version_is_immutable", "only with a tombstone"),
    a(".dvc edited", f"{BIKES}/versions/6.dvc", dvc(6, 99), "version_is_immutable", "cannot be changed"),
    a("tombstone edited", f"{BIKES}/versions/5.deleted.yaml", TOMB, "version_is_immutable", "stays as it is"),
    a(
        "tombstone removed",
        f"{BIKES}/versions/5.deleted.yaml",
        None,
        "version_is_immutable",
        "stays as it is",
    ),
    a(
        *("other number", V7, manifest_file(VALID, "bikes", 6)),
        *("version_fits_its_place", "says version 6, and lies at 7", "6"),
        D7,
    ),
    a(
        *("other model", V7, manifest_file(VALID, "bikes", 6, version=7, model="taxis")),
        *("version_fits_its_place", "says model 'taxis'", "taxis"),
        D7,
    ),
    a(
        *("number used again", f"{BIKES}/versions/5.yaml", manifest_file(VALID, "bikes", 6, version=5)),
        *("number_follows", "has been deleted", "5"),
        {f"{BIKES}/versions/5.dvc": dvc(5)},
    ),
    a(
        *("gap", f"{BIKES}/versions/8.yaml", manifest_file(VALID, "bikes", 6, version=8)),
        *("number_follows", "no version 7 before it"),
        "",
        {f"{BIKES}/versions/8.dvc": dvc(8)},
    ),
    a(
        "burnt numbers",
        f"{BIKES}/versions/99.deleted.yaml",
        TOMB,
        "number_follows",
        "no version 98 before it",
    ),
    a(
        "dead and alive",
        f"{BIKES}/versions/6.deleted.yaml",
        TOMB,
        "number_follows",
        "has a tombstone, and is",
    ),
    a("no .dvc", V7, with_files(7, file()), "version_is_whole", "7.dvc is missing"),
    a("no manifest", f"{BIKES}/versions/7.dvc", dvc(7), "version_is_whole", "7.yaml is missing"),
    a(
        *("buried with its .dvc left", f"{BIKES}/versions/6.deleted.yaml", TOMB),
        *("version_is_whole", "6.yaml is missing"),
        "",
        {f"{BIKES}/versions/6.yaml": None},
    ),
    a(
        *("other size", V7, with_files(7, file(size=4))),
        *("version_is_whole", "1 files of 3 bytes; the manifest 1 of 4", "- path:"),
        D7,
    ),
    a(
        *("single file", V7, with_files(7, file())),
        *("version_is_whole", "must be a directory"),
        "",
        {f"{BIKES}/versions/7.dvc": dvc(7, 3, None, "0" * 32)},
    ),
    a(
        *("wrong size", V7, with_files(7, file()).replace(b"size: 3\n  digest", b"size: 9\n  digest")),
        *("digest_is_of_its_files", "its files have 3 bytes together", "9"),
        {f"{BIKES}/versions/7.dvc": dvc(7, 9)},
    ),
    a(
        *("wrong digest", V7, with_files(7, file()).replace(b"sha256: abab", b"sha256: cdab")),
        *("digest_is_of_its_files", "its files' digest is sha256:", "sha256:"),
        D7,
    ),
    a(
        *("outside its artifact", V7, with_files(7, file()).replace(b"path: .\n", b"path: weights\n")),
        *("digest_is_of_its_files", "'model.onnx' is not inside 'weights'", "{path:"),
        D7,
    ),
    *(
        a(
            name,
            V7,
            with_files(7, *files),
            "digest_is_of_its_files",
            says,
            "- path:",
            {f"{BIKES}/versions/7.dvc": dvc(7, sum(f.size for f in files), len(files))},
        )
        for name, files, says in [
            ("absolute path", [file("/etc/passwd")], "an absolute path"),
            ("parent directory", [file("a/../../x")], "a part that is '..'"),
            ("drive", [file("C:x")], "an absolute path"),
            ("inside .git", [file(".GIT/config")], "part of a git repository"),
            ("inside .dvc", [file("a/.dvc/config")], "read by DVC"),
            ("escape", [file("a\x1b[2J")], "a control character"),
            ("folding names", [file("A"), file("a")], "by case or accents"),
            ("file and directory", [file("a"), file("a/b")], "both a file and a directory"),
            ("listed twice", [file("a"), file("a")], "twice"),
        ]
    ),
    a(
        *("no such card", V7, with_files(7, file(), model_card="README.md")),
        *("files_it_names_exist", "'README.md' is not a file", "README.md"),
        D7,
    ),
    a(
        *("no such example", V7, with_files(7, file(), input_example="x.json")),
        *("files_it_names_exist", "'x.json' is not a file"),
        "x.json",
        D7,
    ),
    a(
        *("no such parent", V7, with_files(7, file(), lineage=Lineage(parents=(Parent("bikes", 77),)))),
        *("parents_exist", "bikes/77 is not in this registry", "model:"),
        D7,
    ),
    a(
        *("annotations of nothing", f"{BIKES}/annotations/7.yaml", yaml("description: x")),
        *("annotations_have_a_version", "7.yaml does not exist"),
    ),
    a(
        *("verdict turned", JUDGED, VALID.files[JUDGED].replace(b"passed: true", b"passed: false")),
        *("evaluations_only_grow", "verdict 1 was changed", "name: bias"),
    ),
    a(
        *("verdict taken away", JUDGED, yaml("description: Fewer trees")),
        *("evaluations_only_grow", "verdict 1 was taken away"),
    ),
    a("verdicts deleted", JUDGED, None, "evaluations_only_grow", "verdict 1 was taken away"),
    a(
        *("verdict put before another", JUDGED),
        yaml(f"evaluations:\n- {{name: x, passed: true, at: '{NOON}', by: me}}"),
        *("evaluations_only_grow", "verdict 1 was changed", "{name: x"),
    ),
    a(
        *("verdicts lost in a rename", JUDGED, None),
        *("evaluations_only_grow", "verdict 1 was taken away"),
        "",
        {p: d for p, d in RENAMED_TAXIS.files.items() if "annotations" not in p},
    ),
    # --- pointers ---
    a(
        "dangling alias",
        f"{ALIAS}/x.yaml",
        yaml("version: 7"),
        "pointer_resolves",
        "7 does not exist",
        "7",
    ),
    a(
        "alias of a deleted one",
        f"{ALIAS}/x.yaml",
        yaml("version: 5"),
        "pointer_resolves",
        "5 does not",
        "5",
    ),
    a(
        "alias of a yanked one",
        f"{ALIAS}/x.yaml",
        yaml("version: 4"),
        "pointer_resolves",
        "4 is yanked: tr",
        "4",
    ),
    a(
        "dangling stage",
        f"{STAGE}/staging.yaml",
        yaml("versions: [3, 9]"),
        "pointer_resolves",
        "9 does",
        "[3",
    ),
    a(
        "yanked in staging",
        f"{STAGE}/staging.yaml",
        yaml("versions: [4]"),
        "pointer_resolves",
        "yanked",
        "[4",
    ),
    a(
        "dangling label",
        f"{BIKES}/labels/x.yaml",
        yaml("version: 9"),
        "pointer_resolves",
        "9 does not",
        "9",
    ),
    a(
        *("deleted in production", f"{BIKES}/versions/2.yaml", None),
        *("nothing_points_at_it", "bikes@champion, bikes/production still"),
        "",
        {**DELETED_2, f"{BIKES}/versions/2.deleted.yaml": TOMB},
    ),
    a(
        *("yanked in production", f"{BIKES}/annotations/2.yaml"),
        yaml(f"yanked: {{reason: x, at: '{NOON}', by: me}}"),
        *("nothing_points_at_it", "still points at the yanked version 2"),
    ),
    a(
        *("label without file", V7, with_files(7, file(), label="2.0")),
        *("label_is_the_versions", "labels/2.0.yaml is missing", "'2.0'"),
        D7,
    ),
    a(
        *("label of another", V7, with_files(7, file(), label="1.4.0")),
        *("label_is_the_versions", "names another version", "1.4.0"),
        D7,
    ),
    a(
        *("label moved", f"{BIKES}/labels/1.4.0.yaml", yaml("version: 6")),
        *("label_is_the_versions", "6 does not say this label", "6"),
    ),
    a("label removed", f"{BIKES}/labels/1.4.0.yaml", None, "label_is_the_versions", "still has this label"),
    a(
        *("label like a stage", f"{BIKES}/labels/Production.yaml", yaml("version: 7")),
        *("label_is_no_stage", "'Production' is a stage"),
        "",
        {V7: with_files(7, file(), label="Production"), **D7},
    ),
    a(
        "undeclared stage",
        f"{STAGE}/live.yaml",
        yaml("versions: [6]"),
        "stage_is_declared",
        "no stage 'live'",
    ),
    a("misspelt stage", f"{STAGE}/Staging.yaml", yaml("versions: [6]"), "stage_is_declared", "'Staging'"),
    a(
        *("stage taken away", "registry.yaml", NO_GATES.replace(b"  staging: {}\n", b"")),
        *("stage_is_declared", "declares no stage 'staging'"),
    ),
    a(
        *("in two stages", f"{STAGE}/staging.yaml", yaml("versions: [2, 3]")),
        *("version_is_in_one_stage", "version 2 is in production too", "[2"),
    ),
    a(
        *("two in production", f"{STAGE}/production.yaml", yaml("versions: [2, 6]")),
        *("version_is_in_one_stage", "production holds one version", "[2"),
    ),
    a(
        *(
            "two in a stage made exclusive",
            "registry.yaml",
            NO_GATES.replace(b"g: {}", b"g: {exclusive: true}"),
        ),
        *("version_is_in_one_stage", "staging holds one version"),
        "[3",
        before=edited(VALID, {f"{STAGE}/staging.yaml": yaml("versions: [3, 6]")}),
    ),
    # --- policy ---
    a(
        *("stage called latest", "registry.yaml", NO_GATES + b"  Latest: {}\n"),
        *("policy_is_sound", "a meaning of its own", "{"),
    ),
    a(
        "stage called 3",
        "registry.yaml",
        NO_GATES + b"  '3': {}\n",
        "policy_is_sound",
        "version number",
        "{",
    ),
    a(
        "stage twice",
        "registry.yaml",
        NO_GATES + b"  Staging: {}\n",
        "policy_is_sound",
        "declared twice",
        "{",
    ),
    a(
        *("from nowhere", "registry.yaml", NO_GATES.replace(b"n: {}", b"n: {from: [testing]}")),
        *("policy_is_sound", "no stage 'testing' is declared", "testing"),
    ),
    a(
        *("alias called 3", "registry.yaml", NO_GATES + b"aliases:\n  '3': {}\n"),
        *("policy_is_sound", "read as a version", "{"),
    ),
    a(
        *("model's own stage", CARD, yaml("name: bikes\npolicy:\n  stages:\n    canary: {review: true}")),
        *("policy_is_sound", "declares no stage 'canary'", "{review:"),
    ),
    a(
        *("stage a model guards is taken away", "registry.yaml", NO_GATES.replace(b"  staging: {}\n", b"")),
        *("policy_is_sound", "declares no stage 'staging'"),
        "exclusive:",
        before=edited(LOCKED, {f"{STAGE}/staging.yaml": None}),
    ),
    a(
        *("gate not met", f"{STAGE}/production.yaml", yaml("versions: [6]")),
        *("gates_pass", "bikes/6 may not enter production: it must be in staging first", "[6"),
        before=with_policy(VALID, GATED),
    ),
    a(
        *("gate that cannot be read", f"{STAGE}/production.yaml", yaml("versions: [6]")),
        *("gates_pass", "cannot be read, so nothing may pass", "[6"),
        before=with_policy(VALID, GATED.replace(b"from:", b"form:")),
    ),
    a(
        *("gate of a newer muster", f"{STAGE}/staging.yaml", yaml("versions: [6]")),
        *("gates_pass", "cannot be read, so nothing may pass", "[6"),
        before=edited(LOCKED, {CARD: LOCKED.files[CARD].replace(b"schema: 1", b"schema: 2")}),
    ),
    # --- the change as a whole ---
    a("no registry", "registry.yaml", None, "registry_is_declared", "is missing"),
    a(
        *("policy beside a promotion", f"{STAGE}/production.yaml", yaml("versions: [6]")),
        *("policy_and_data_are_apart", "make it two changes"),
        "",
        {"registry.yaml": NO_GATES + b"description: x\n"},
    ),
    *(
        a(
            f"{path} beside a model",
            path,
            b"",
            "policy_and_data_are_apart",
            "two changes",
            "",
            {CARD: yaml("name: bikes")},
        )
        for path in (
            "CODEOWNERS",
            ".github/workflows/x.yml",
            ".gitlab-ci.yml",
            ".gitattributes",
            ".dvcignore",
        )
    ),
    a(
        *("guards beside the block of owners", "CODEOWNERS", codeowners(*OWNED_BY, guards="")),
        *("policy_and_data_are_apart", "two changes"),
        "",
        {CARD: VALID.files[CARD]},
        before=OWNED,
    ),
    *(
        a(name, "CODEOWNERS", data, "codeowners_are_current", says, at, before=before)
        for name, data, says, at, before in [
            (
                "another's line",
                codeowners("/models/bikes/  @mallory"),
                "must be '/models/bikes/  @rides'",
                "/m",
                OWNED,
            ),
            (
                "a line too many",
                codeowners(*OWNED_BY, "/models/vans/  @x"),
                "vans must not be there",
                "/mod",
                OWNED,
            ),
            (
                "a line of no model",
                codeowners(*OWNED_BY, "/models/x/  @x"),
                "line of x must not",
                "/mod",
                OWNED,
            ),
            (
                "a pattern for all",
                codeowners("/models/*/  @x", *OWNED_BY),
                "no model's line",
                "/models/*",
                OWNED,
            ),
            (
                "a rule in the block",
                codeowners("* @x", *OWNED_BY),
                "'* @x' is no model's line",
                "* @x",
                OWNED,
            ),
            ("an empty line", codeowners("", *OWNED_BY), "'' is no model's line", "", OWNED),
            ("a line missing", codeowners(), "the line of bikes must be", "", OWNED),
            ("a line twice", codeowners(*OWNED_BY, *OWNED_BY), "not sorted, each once", "", OWNED),
            ("a new block", codeowners(), "the line of bikes must be", "", VALID),
            ("half a block", codeowners(*OWNED_BY).replace(END.encode(), b""), "once each", "", OWNED),
            ("two blocks", codeowners(*OWNED_BY) * 2, "once each", "", OWNED),
        ]
    ),
    a(
        *("owners beside an old block", "CODEOWNERS", codeowners(*OWNED_BY), "codeowners_are_current"),
        *("the line of bikes must be '/models/bikes/  @ann'", "/models/bikes"),
        {CARD: yaml("name: bikes\nowners: ['@ann']")},
        before=OWNED,
    ),
    a(
        *(
            "model's policy beside a promotion",
            CARD,
            VALID.files[CARD] + b"policy:\n  stages: {staging: {}}\n",
        ),
        *("policy_and_data_are_apart", "two changes"),
        "",
        {f"{ALIAS}/champion.yaml": yaml("version: 6")},
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_a_broken_rule_is_found(case: Broken) -> None:
    findings = checks.check(case.before, case.change())
    matching = [f for f in findings if f.rule == case.rule and case.says in f.message]
    assert matching, "\n".join(map(str, findings)) or "nothing was found"
    if case.at:
        assert any(pointed_at(case, finding).startswith(case.at) for finding in matching)


def pointed_at(case: Broken, finding: Finding) -> str:
    """The text at a finding's line and column."""
    data = case.change().files.get(finding.path) or case.before.files[finding.path]
    line = data.decode().split("\n")[finding.line - 1]
    return line[max(finding.column - 1, 0) :].lstrip()


def test_every_rule_is_broken_by_some_row() -> None:
    rules = {rule.__name__ for rule in (*checks.CHECKS, *checks.CHANGE_CHECKS)}
    assert rules - {case.rule for case in TABLE} == set()


def test_every_rule_says_what_is_true_when_it_holds() -> None:
    for rule in (*checks.CHECKS, *checks.CHANGE_CHECKS):
        assert (rule.__doc__ or "").strip().endswith("."), rule.__name__


def test_the_rows_have_different_names() -> None:
    assert len({case.name for case in TABLE}) == len(TABLE)


def test_a_valid_registry_has_no_finding() -> None:
    assert checks.check(EMPTY, Change(VALID.files)) == []
    assert checks.check(EMPTY, Change(with_policy(VALID, GATED).files)) == []


def test_a_change_to_nothing_has_no_finding() -> None:
    assert checks.check(VALID, Change({})) == []


def test_a_finding_at_one_path_does_not_hide_anothers() -> None:
    alone = [case for case in TABLE if case.before is VALID and not case.beside and not case.special]
    by_path = {case.path: case for case in alone if case.path.startswith(BIKES) and "/7." not in case.path}
    findings = checks.check(VALID, Change({path: case.data for path, case in by_path.items()}))
    assert set(by_path) <= {f.path for f in findings}


def test_a_link_is_refused_whatever_it_points_at_and_its_content_is_not_read() -> None:
    """A validator that parsed a linked file, and echoed it in an error, has opened a registry's CI before."""
    path = f"{ALIAS}/champion.yaml"
    now = edited(VALID, {path: b"root:x:0:0:root:/root:/bin/bash\n"})
    findings = checks.check(VALID, Change({}, special={path: "symbolic link"}), after=now)
    assert [f.rule for f in findings] == ["file_is_plain"]
    assert "root:" not in str(findings)


def test_two_good_changes_that_merge_into_a_bad_tree_are_found_in_the_merged_tree() -> None:
    capital = ops.plan(VALID, ops.CreateModel("Churn"))
    small = ops.plan(VALID, ops.CreateModel("churn"))
    assert checks.check(VALID, capital) == checks.check(VALID, small) == []
    merged = Change({**capital.files, **small.files})
    assert {f.rule for f in checks.check(VALID, merged)} == {"names_are_distinct"}
    deleted = ops.plan(VALID, ops.DeleteVersion("bikes", 6, ANN, NOON, "unused"))
    aliased = ops.plan(VALID, ops.SetAlias("bikes", "next", 6))
    merged = Change({**deleted.files, **aliased.files})
    assert {f.rule for f in checks.check(VALID, merged)} == {"nothing_points_at_it", "pointer_resolves"}
    assert checks.check(EMPTY, Change(after(VALID, merged).files)) != []


def test_the_policy_that_judges_a_promotion_is_the_one_before_it() -> None:
    gated = with_policy(VALID, GATED)
    loosened = {"registry.yaml": NO_GATES, f"{STAGE}/production.yaml": yaml("versions: [6]")}
    rules = {f.rule for f in checks.check(gated, Change(loosened))}
    assert rules == {"gates_pass", "policy_and_data_are_apart"}


def test_a_models_own_policy_cannot_loosen_the_registrys() -> None:
    gated = with_policy(VALID, GATED)
    lax = b"policy:\n  stages:\n    production: {from: [none, staging], signature: false, metrics: {rmse: {max: 99}}}\n"
    loosened = edited(gated, {CARD: gated.files[CARD] + lax})
    assert checks.check(gated, Change({CARD: loosened.files[CARD]})) == []
    promoted = Change({f"{STAGE}/production.yaml": yaml("versions: [6]")})
    assert [f.rule for f in checks.check(loosened, promoted)] == ["gates_pass"]


def test_a_rename_that_slips_a_promotion_in_is_seen_as_a_promotion() -> None:
    gated = with_policy(VALID, GATED)
    renamed = ops.plan(gated, ops.RenameModel("bikes", "rides"))
    assert checks.check(gated, renamed) == []
    slipped = Change({**renamed.files, "models/rides/stages/production.yaml": yaml("versions: [6]")})
    assert {f.rule for f in checks.check(gated, slipped)} == {"gates_pass"}


def test_a_rename_onto_another_model_does_not_lend_it_a_pointer() -> None:
    """taxis/1 is in production; a 'rename' of taxis to bikes must not make bikes/1 look as if it were there already."""
    gated = with_policy(after(VALID, ops.plan(VALID, ops.SetStage("taxis", 1, "production"))), GATED)
    change = Change(
        {
            "models/taxis/model.yaml": yaml("name: taxis\nrenamed_to: bikes"),
            "models/taxis/stages/production.yaml": None,
            f"{STAGE}/archived.yaml": None,
            f"{STAGE}/production.yaml": yaml("versions: [1]"),
        }
    )
    assert {"gates_pass", "former_name_stays"} <= {f.rule for f in checks.check(gated, change)}


def test_a_label_cannot_stand_in_for_an_empty_stage() -> None:
    empty = edited(VALID, {f"{STAGE}/production.yaml": None})
    forged = edited(empty, {V7: with_files(7, file(), label="production"), **D7})
    forged = edited(forged, {f"{BIKES}/labels/production.yaml": yaml("version: 7")})
    with pytest.raises(NotFound, match="no version of model 'bikes' is in stage 'production'"):
        forged.resolve("bikes/production")


def test_a_parent_whose_model_was_renamed_is_still_there() -> None:
    renamed = after(VALID, ops.plan(VALID, ops.RenameModel("bikes", "rides")))
    assert checks.check(EMPTY, Change(renamed.files)) == []


def test_verdicts_are_added_and_move_and_go_with_their_version() -> None:
    verdict = Evaluation("bias", False, NOON, "risk-bot")
    for wanted in (
        ops.Annotate("taxis", 1, evaluations=(verdict,)),
        ops.RenameModel("taxis", "cabs"),
        ops.DeleteVersion("taxis", 1, ANN, NOON, "wrong"),
        ops.DeleteModel("taxis", ANN, NOON, "wrong"),
    ):
        assert checks.check(VALID, ops.plan(VALID, wanted)) == []
    slipped = {p: d and d.replace(b"passed: true", b"passed: false") for p, d in RENAMED_TAXIS.files.items()}
    assert {f.rule for f in checks.check(VALID, Change(slipped))} == {"evaluations_only_grow"}


def test_annotations_that_nobody_can_read_can_be_mended() -> None:
    broken = edited(VALID, {JUDGED: b"evaluations: ["})
    assert checks.check(broken, Change({JUDGED: VALID.files[JUDGED]})) == []


def test_a_model_with_deleted_versions_can_be_renamed() -> None:
    assert checks.check(VALID, ops.plan(VALID, ops.RenameModel("bikes", "rides"))) == []


def test_a_file_of_a_newer_schema_is_reported_and_other_models_are_read() -> None:
    newer = edited(VALID, {CARD: b"schema: 2\nname: bikes\nowners: 7\n"})
    assert [f.rule for f in checks.check(EMPTY, Change(newer.files))] == ["schema_is_known"]
    assert "bikes" in newer.models()
    assert newer.get("vans/production").version == 1
    assert newer.get("bikes@champion").version == 2
    with pytest.raises(Invalid, match="schema version 2") as raised:
        newer.model("bikes")
    assert raised.value.hint == "upgrade muster-registry"


@pytest.mark.parametrize(
    "path",
    [
        *(f"{BIKES}/{name}.yaml" for name in ("versions/2", "annotations/2", "aliases/champion")),
        *(f"{BIKES}/{name}.yaml" for name in ("stages/production", "labels/1.4.0", "versions/5.deleted")),
    ],
)
def test_a_newer_file_of_any_kind_is_an_error_with_a_way_out_and_never_guessed_at(path: str) -> None:
    newer = edited(VALID, {path: VALID.files[path].replace(b"schema: 1", b"schema: 2")})
    findings = checks.check(EMPTY, Change(newer.files))
    assert "schema_is_known" in {f.rule for f in findings if f.path == path}
    assert {f.path for f in findings if f.rule != "schema_is_known"} <= {p for p in newer.files if BIKES in p}
    assert newer.get("taxis/1").version == 1


def test_a_newer_policy_lets_nothing_pass() -> None:
    newer = with_policy(VALID, GATED.replace(b"schema: 1", b"schema: 2"))
    change = Change({f"{STAGE}/staging.yaml": yaml("versions: [3, 6]")})
    assert "schema_is_known" in {f.rule for f in checks.check(newer, change)}


@pytest.mark.parametrize(
    "text", [b"[]", b"x", b"", b"stages: [a]", b"stages: {production: 5}", b"\xff", b"a: *b"]
)
def test_a_policy_that_cannot_be_read_lets_nothing_pass_and_can_be_mended(text: bytes) -> None:
    broken = with_policy(VALID, text)
    assert checks.check(broken, Change({f"{ALIAS}/champion.yaml": yaml("version: 6")})) != []
    assert checks.check(broken, Change({"registry.yaml": NO_GATES})) == []


def test_a_tag_that_says_policy_changed_is_no_policy() -> None:
    card = {CARD: VALID.files[CARD].replace(b"team: rides", b"note: policy changed")}
    assert checks.check(VALID, Change({**card, f"{ALIAS}/next.yaml": yaml("version: 6")})) == []


def test_a_description_that_says_renamed_to_is_no_rename() -> None:
    said = edited(VALID, {CARD: yaml("name: bikes\ndescription: 'renamed_to: nothing'")})
    assert "bikes" in said.models()
    assert ops.plan(said, version("bikes", "seven")).files.keys() == {V7, *D7}


def test_a_rename_spelled_with_an_escape_is_a_rename() -> None:
    said = edited(VALID, {"models/lorries/model.yaml": yaml('name: lorries\n"renamed\\x5fto": vans')})
    assert said.renamed_to("lorries") == "vans"
    assert "lorries" not in said.models()


def test_a_million_problems_in_one_file_are_not_all_told() -> None:
    many = b"schema: 1\nversions: [" + b"x, " * 10_000 + b"x]\n"
    assert 1 < len(checks.check(VALID, Change({f"{STAGE}/staging.yaml": many}))) <= 50


def test_a_directory_of_any_depth_is_gone_through() -> None:
    deep = f"{BIKES}/" + "a/" * 1900 + "x"
    now = edited(VALID, {deep: b""})
    findings = checks.check(now, Change({CARD: None}))
    assert "path_is_known" in {f.rule for f in findings if f.path == deep}


YANKED = yaml(f"yanked: {{reason: x, at: '{NOON}', by: me}}")
PIECES = [
    *(
        (f"{STAGE}/{s}.yaml", yaml(f"versions: [{v}]"))
        for s in ("staging", "production", "x")
        for v in ("2", "3, 6", "9")
    ),
    *(
        (f"{ALIAS}/{a}.yaml", yaml(f"version: {v}"))
        for a in ("champion", "Champion", "y")
        for v in (2, 4, 6, 9)
    ),
    *(
        (f"{BIKES}/labels/{name}.yaml", yaml(f"version: {v}"))
        for name in ("1.4.0", "2.0", "X")
        for v in (3, 6)
    ),
    *((f"{BIKES}/versions/{n}.deleted.yaml", TOMB) for n in (2, 3, 6, 7)),
    *((f"{BIKES}/annotations/{n}.yaml", YANKED) for n in (2, 3, 6, 7)),
    *((path, None) for path in VALID.files),
    *((f"{BIKES}/versions/{n}.dvc", dvc(n)) for n in (6, 7, 8)),
    *((f"{BIKES}/versions/{n}.yaml", manifest_file(VALID, "bikes", 6, version=n)) for n in (5, 6, 7, 8)),
    *(
        (f"models/{m}/model.yaml", yaml(f"name: {m}\nrenamed_to: cabs"))
        for m in ("bikes", "taxis", "lorries", "vans")
    ),
    *((f"models/{m}/model.yaml", yaml(f"name: {m}\nformerly: [taxis]")) for m in ("cabs", "bikes")),
    *(
        (f"models/cabs{p[12:]}", d)
        for p, d in VALID.files.items()
        if p.startswith("models/taxis")
        if "model" not in p[7:]
    ),
    *((f"models/{m}/model.yaml", yaml(f"name: {m}")) for m in ("lorries", "Bikes", "taxis", "cabs")),
    (CARD, LOCKED.files[CARD]),
    *(
        ("registry.yaml", NO_GATES.replace(a, b))
        for a, b in [(b"staging: {}", b"x: {}"), (b"g: {}", b"g: {exclusive: true}")]
    ),
    ("registry.yaml", NO_GATES + b"  x: {}\n  '1.4.0': {}\n"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_what_a_change_may_leave_behind_is_what_a_registry_may_consist_of(
    edits: list[tuple[str, bytes | None]],
) -> None:
    """Judging the change and judging all of what it leaves come to one verdict: nothing wrong can hide in the rest."""
    change = Change(dict(edits))
    if not checks.check(VALID, change):
        assert checks.check(EMPTY, Change(after(VALID, change).files)) == []


@given(
    st.sampled_from([case for case in TABLE if case.before is VALID]),
    st.lists(st.sampled_from(PIECES), max_size=3),
)
def test_nothing_that_changes_beside_it_hides_a_broken_rule_from_both_judgements(
    case: Broken, edits: list[tuple[str, bytes | None]]
) -> None:
    change = Change({**case.change().files, **dict(edits)}, special=case.special)
    if not checks.check(VALID, change):
        assert checks.check(EMPTY, Change(after(VALID, change).files)) == []


_garbage = st.sampled_from(
    [
        *(
            b"",
            b"[",
            b"5",
            b"[]",
            b"{}",
            b"\xff",
            b"schema: 9",
            b"version: x",
            b"versions: 3",
            b"versions: [x]",
        ),
        *(
            b"tags: []",
            b"yanked: x",
            b"by: 1",
            b"renamed_to: 5",
            b"stages: 5",
            b"stages: [x]",
            b"stages: {x: 1}",
        ),
        *(
            b"metrics: []",
            b"artifacts: {}",
            b"lineage: {run: 5}",
            b"formerly: 5",
            b"formerly: [5]",
            b"policy: 5",
        ),
        *(
            b"schema: 1\nname: x\nstages: {production: {soak: soon, from: 5, tags: 7}}",
            b"outs: 5",
            b"outs: [5]",
        ),
        *(b"renamed_to: bikes", b"renamed_to: cabs\nname: taxis\nschema: 1", b"label: [1]", b"label: x"),
    ]
)
_files = st.dictionaries(
    st.sampled_from(sorted({*VALID.files, *(path for path, _ in PIECES)})), _garbage, max_size=4
)


@given(_files, _files, st.lists(st.sampled_from(PIECES), max_size=3))
def test_whatever_was_and_whatever_comes_is_judged_in_words(
    was: dict[str, bytes], comes: dict[str, bytes | None], good: list[tuple[str, bytes | None]]
) -> None:
    before = edited(VALID, was)
    for finding in checks.check(before, Change({**comes, **dict(good)})):
        assert finding.message
        assert finding.path
