"""The shape of the house, read from its source: who imports whom, and how long things are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import muster

TOP = Path(muster.__file__).parent
MODULES = {
    ".".join(("muster", *path.relative_to(TOP).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(TOP.rglob("*.py"))
    if "files" not in path.parts  # what `muster demo` lays down for its user to run
}
MAX_FUNCTION = 60  # lines
MAX_MODULE = 500

# What decides has no hands: not the clock, the environment, files, chance, processes or the network.
PURE = {
    *(
        "__future__",
        "abc",
        "base64",
        "collections",
        "dataclasses",
        "datetime",
        "difflib",
        "enum",
        "fnmatch",  # of which core takes what compares two names, and asks no file system
        "functools",
        "hashlib",
    ),
    *("itertools", "json", "math", "operator", "re", "shlex", "types", "typing", "unicodedata", "urllib"),
    *("contextlib", "zlib"),  # zlib: bytes to bytes
}
ONLY_IN = {
    "yaml": ("muster.core.manifest", "muster.backends.formats"),
    "jsonschema": ("muster.core.schema",),
    "dvc": ("muster.backends.artifacts.remote",),
    "dvc_data": ("muster.backends.artifacts.remote",),
    "dvc_objects": ("muster.backends.artifacts.remote",),
    "subprocess": (
        *("muster.backends.git", "muster.backends.forges.tokens", "muster.frontends.demo.scratch"),
        "muster.frontends.cli.watch",  # what its user types after --exec is a command to run
        "muster.backends.sshsig",  # ssh-keygen signs: with agents and hardware keys, too
    ),
    "fsspec": (
        "muster.backends.published.bucket",
        "muster.backends.publication.store",
        "muster.backends.artifacts",
    ),
    "git": ("muster.backends.git",),
    "sqlite3": ("muster.backends.index",),
    "requests": ("muster.backends.forges", "muster.backends.webhook"),
    "click": ("muster.frontends",),
    "mlflow": ("muster.frontends.mlflow", "muster.backends.formats"),
    "zenml": ("muster.frontends.zenml",),
    "pickle": ("muster.backends.formats.pickles",),
    "http": ("muster.backends.published",),
    "argparse": ("muster.frontends.light",),
}
HEAVY = {
    *(
        "jsonschema",
        "dvc",
        "dvc_data",
        "dvc_objects",
        "git",
        "fsspec",
        "requests",
        "numpy",
        "pandas",
        "sklearn",
    ),
    *("skops", "onnx", "onnxruntime", "safetensors", "joblib", "mlflow", "zenml", "rich", "boto3"),
}
HOSTS = ("muster.frontends.mlflow", "muster.frontends.zenml")  # loaded by what they are plugins of


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(), str(MODULES[module]))


def imports(module: str, everywhere: bool = True) -> Iterator[str]:
    """The modules that a module imports, ours by their full names; those inside functions too if everywhere."""
    is_package = MODULES[module].name == "__init__.py"
    for node in ast.walk(tree(module)) if everywhere else at_import(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source


def at_import(top: ast.Module) -> Iterator[ast.AST]:
    """What runs when a module is imported: neither the inside of functions nor what only type checkers see."""
    waiting: list[ast.AST] = list(top.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def ours(module: str, everywhere: bool = True) -> set[str]:
    return {name for name in imports(module, everywhere) if name in MODULES and name != module}


def below(package: str) -> list[str]:
    return [name for name in MODULES if name == package or name.startswith(f"{package}.")]


def is_below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_there_is_something_to_look_at() -> None:
    assert {"muster.core.checks", "muster.registry", "muster.backends.git", "muster.frontends.cli"} <= set(
        MODULES
    )
    assert "muster.core.names" in ours("muster.core.checks")


@pytest.mark.parametrize("module", below("muster.core"))
def test_core_decides_and_touches_nothing(module: str) -> None:
    own = {name for name in ours(module) if not is_below(name, ("muster.core", "muster.resources"))}
    assert own == set()
    outside = {name.partition(".")[0] for name in imports(module)} - {"muster"}
    allowed = {name for name, places in ONLY_IN.items() if module in places}
    assert outside - PURE - allowed <= {"pathlib"}
    paths = [n for n in ast.walk(tree(module)) if isinstance(n, ast.ImportFrom) and n.module == "pathlib"]
    assert {alias.name for node in paths for alias in node.names} <= {"PurePath", "PurePosixPath"}
    assert "pathlib" not in {
        alias.name for n in ast.walk(tree(module)) if isinstance(n, ast.Import) for alias in n.names
    }


@pytest.mark.parametrize("module", below("muster.core"))
def test_core_asks_no_clock_and_opens_no_file(module: str) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call)}
    assert (
        called & {"open", "print", "input", "exec", "eval", "datetime.now", "datetime.utcnow", "date.today"}
        == set()
    )


def test_core_reads_only_the_schemas_that_are_part_of_it() -> None:
    assert {module for module in below("muster.core") if "muster.resources" in ours(module)} == {
        "muster.core.schema"
    }


@pytest.mark.parametrize("module", below("muster.backends"))
def test_a_backend_knows_core_and_no_other_backend(module: str) -> None:
    package = ".".join(module.split(".")[:3])
    allowed = ("muster.core", "muster.backends") if module == package else ("muster.core",)
    foreign = {name for name in ours(module) if not is_below(name, (package, "muster.core"))}
    assert foreign == set(), f"{module} may import {allowed}"


@pytest.mark.parametrize("module", below("muster.frontends"))
def test_a_frontend_knows_no_backend(module: str) -> None:
    assert {name for name in ours(module) if is_below(name, ("muster.backends",))} == set()


@pytest.mark.parametrize(
    "module", [m for m in MODULES if not is_below(m, ("muster.frontends", "muster.__main__", "muster.light"))]
)
def test_nothing_below_a_frontend_knows_it(module: str) -> None:
    assert {name for name in ours(module) if is_below(name, ("muster.frontends",))} == set()


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_known_in_one_place(library: str) -> None:
    users = {m for m in MODULES if any(n.partition(".")[0] == library for n in imports(m))}
    assert {user for user in users if not is_below(user, ONLY_IN[library])} == set()


@pytest.mark.parametrize("module", [m for m in MODULES if not is_below(m, HOSTS)])
def test_what_is_slow_to_import_is_imported_where_it_is_used(module: str) -> None:
    assert {name.partition(".")[0] for name in imports(module, everywhere=False)} & HEAVY == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: ours(module) for module in MODULES}  # also for types alone, and inside functions
    circles = [sorted(circle) for circle in strongly_connected(graph) if len(circle) > 1]
    assert circles == []


def strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """Tarjan's strongly connected components."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(set(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_too_long_to_read(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= MAX_MODULE


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_too_long_to_read(module: str) -> None:
    functions = [n for n in ast.walk(tree(module)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno is not None}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION} == {}


@pytest.mark.parametrize("module", [m for m in MODULES if MODULES[m].read_text().strip()])
def test_a_module_says_what_it_is(module: str) -> None:
    text = ast.get_docstring(tree(module)) or ""
    assert text, "it has no docstring"
    assert text.rstrip().endswith((".", ":", "`", ")")) or "\n" in text


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_called_by_a_word_that_says_nothing(module: str) -> None:
    empty = ("Manager", "Service", "Helper", "Util", "Utils", "Handler", "Provider")
    classes = [n.name for n in ast.walk(tree(module)) if isinstance(n, ast.ClassDef)]
    assert [name for name in classes if name.endswith(empty)] == []
    assert not module.rpartition(".")[2].endswith(("utils", "helpers", "common_utils", "misc"))
