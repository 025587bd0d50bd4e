"""The rules of the house, held by a machine.

Each rule reads one source file and yields "path:line: what is wrong". The lower half tests the
rules themselves: each must find its fault in a bad snippet and nothing in a good one.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

ORDER = [  # a package may import from those on lines above its own, and from itself
    {"errors"},
    {"storage"},
    {"config"},
    {"console"},
    {"textbook"},
    {"structures"},
    {"ops"},
    {"data", "models", "losses", "decoders", "metrics"},
    {"arithmetic"},
    {"tasks"},
    {"recognizer"},
    {"training"},
    {"reports"},
    {"runs"},
    {"recipes"},
    {"serving"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
ROOT_FILES = {"__init__.py", "__main__.py"}  # they offer what the packages make
FORBIDDEN_NAMES = {"utils", "common", "core", "base", "misc", "helpers"}
TABLES: set[str] = set()  # paths of files that only hold data and may be longer
OPTIONS = ("models/entries/", "textbook/")  # keyword-only arguments are parts of a definition
MOST_LINES, MOST_BODY_LINES, MOST_ARGUMENTS = 400, 60, 7

RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
RUNS_CODE_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load",
                   "yaml.full_load"}  # fmt: skip
SEEDING = {
    "torch.manual_seed",
    "torch.seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
}
TORCH_DRAWS = {f"torch.{name}" for name in (
    "rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial")}  # fmt: skip
OWN_GENERATORS = {"default_rng", "Generator", "SeedSequence", "Philox", "PCG64", "BitGenerator"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file: its path below the package and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    def nodes(self, *kinds):
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        for node in self.nodes(ast.Call):
            yield node, dotted(node.func)

    def at(self, node: ast.AST, message: str) -> str:
        return f"{self.path}:{node.lineno}: {message}"


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name, attribute or `a.b.c[D]`; what is before an unnamed part is dropped."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def imported_modules(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module, at module or function level, relative or by `import_module`."""
    folder = ["manako", *source.path.split("/")[:-1]]
    for node in source.nodes(ast.Import, ast.ImportFrom, ast.Call, ast.Attribute):
        if isinstance(node, ast.Attribute):
            if dotted(node.value) == "manako":
                yield node, dotted(node)
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node, f"{module}.{alias.name}"
        elif dotted(node.func).endswith("import_module") and node.args:
            yield node, str(getattr(node.args[0], "value", ""))


def imports_follow_the_order(source: Source) -> Iterator[str]:
    if source.path in ROOT_FILES:
        return
    own = source.package
    if own not in LEVEL:
        yield f"{source.path}:1: {own!r} is not in the order of packages"
        return
    for node, module in imported_modules(source):
        root, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if root != "manako" or other in ("", own, "__version__"):
            continue
        if LEVEL.get(other, len(ORDER)) >= LEVEL[own]:
            yield source.at(node, f"{own} imports {other}")


def names_say_something(source: Source) -> Iterator[str]:
    for part in source.path.removesuffix(".py").split("/"):
        if part in FORBIDDEN_NAMES:
            yield f"{source.path}:1: {part!r} says nothing"


def files_are_short(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > MOST_LINES and source.path not in TABLES:
        yield f"{source.path}:{lines}: more than {MOST_LINES} lines"


def functions_are_short(source: Source) -> Iterator[str]:
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        lines = node.end_lineno - body[0].lineno + 1 if body else 0
        if lines > MOST_BODY_LINES:
            yield source.at(node, f"{node.name} has {lines} lines below its docstring")


def functions_take_few_arguments(source: Source) -> Iterator[str]:
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        if source.package == "cli" and "typer." in ast.unparse(node.args):
            continue  # a verb of the command line: its options are arguments
        options = [] if source.path.startswith(OPTIONS) else node.args.kwonlyargs
        named = [*node.args.posonlyargs, *node.args.args, *options]
        count = sum(one.arg not in ("self", "cls") for one in named)
        if count > MOST_ARGUMENTS:
            yield source.at(node, f"{node.name} takes {count} arguments")


def errors_are_not_swallowed(source: Source) -> Iterator[str]:
    for node in source.nodes(ast.ExceptHandler):
        if node.type is None:
            yield source.at(node, "a bare except")
        if all(isinstance(one, ast.Pass | ast.Continue) or is_ellipsis(one) for one in node.body):
            yield source.at(node, "an error is swallowed")
    for call, name in source.calls():
        broad = {"Exception", "BaseException"} & {dotted(one) for one in call.args}
        if name.split(".")[-1] == "suppress" and broad:
            yield source.at(call, "an error is swallowed")


def is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def functions_do_something(source: Source) -> Iterator[str]:
    declared = {
        inner
        for node in source.nodes(ast.ClassDef)
        if any(dotted(one).split(".")[-1] == "Protocol" for one in node.bases)
        for inner in (one.name for one in node.body if isinstance(one, Function))
    }
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        marks = {dotted(one).split(".")[-1] for one in node.decorator_list}
        empty = all(isinstance(one, ast.Pass) or is_ellipsis(one) for one in body)
        if empty and node.name not in declared and not marks & {"overload", "abstractmethod"}:
            yield source.at(node, f"{node.name} is empty")
    for node in source.nodes(ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if dotted(raised) == "NotImplementedError":
            yield source.at(node, "NotImplementedError")


def nothing_is_left_to_do(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if any(mark in line for mark in ("TODO", "FIXME", "XXX")):
            yield f"{source.path}:{number}: unfinished work"


def only_the_console_prints(source: Source) -> Iterator[str]:
    for call, name in source.calls():
        if name == "print" and source.package != "console":
            yield source.at(call, "print outside console/")


def data_is_never_run(source: Source) -> Iterator[str]:
    for node, module in imported_modules(source):
        if module.split(".")[0] in RUNS_CODE:
            yield source.at(node, f"{module.split('.')[0]} can run code that it reads")
    for call, name in source.calls():
        if name in RUNS_CODE_CALLS:
            yield source.at(call, f"{name} runs what it is given")
        if name == "torch.load" and not is_true(keyword(call, "weights_only")):
            yield source.at(call, "torch.load without weights_only=True")
        for option in ("shell", "allow_pickle"):
            if is_true(keyword(call, option)):
                yield source.at(call, f"{option}=True")


def text_has_an_encoding(source: Source) -> Iterator[str]:
    for call, name in source.calls():
        method = name.split(".")[-1]
        if keyword(call, "encoding") is None and (
            (method == "read_text" and not call.args)
            or (method == "write_text" and len(call.args) < 2)
            or (method == "open" and opens_text(call, is_function="." not in name))
        ):
            yield source.at(call, f"{method} without an encoding")


def opens_text(call: ast.Call, is_function: bool) -> bool:
    """Whether `open(path, mode)` or `path.open(mode)` opens text; other `x.open(...)` do not."""
    positional = call.args[1:] if is_function else call.args
    mode = keyword(call, "mode") or (positional[0] if positional else None)
    if mode is None:
        return is_function or not (call.args or call.keywords)
    if not isinstance(mode, ast.Constant) or not isinstance(mode.value, str):
        return is_function
    return "b" not in mode.value and bool(mode.value) and set(mode.value) <= set("rwax+t")


def pictures_name_their_formats(source: Source) -> Iterator[str]:
    for call, name in source.calls():
        if name.endswith("Image.open") and keyword(call, "formats") is None:
            yield source.at(call, "Image.open without formats=: any decoder could run")


def chance_has_an_owner(source: Source) -> Iterator[str]:
    """No hidden random state: layers (models/) and the engine (training/) alone use torch's."""
    for node, module in imported_modules(source):
        if module.split(".")[0] == "random":
            yield source.at(node, "the global `random` module")
    for call, name in source.calls():
        library, _, function = name.rpartition(".")
        if library in ("np.random", "numpy.random") and function not in OWN_GENERATORS:
            yield source.at(call, f"{name} uses NumPy's global state")
        if name in SEEDING and source.package != "training":
            yield source.at(call, f"{name} outside training/")
        drawn = name in TORCH_DRAWS and keyword(call, "generator") is None
        if drawn and source.package not in ("training", "models"):
            yield source.at(call, f"{name} without generator=")


RULES = [
    imports_follow_the_order,
    names_say_something,
    files_are_short,
    functions_are_short,
    functions_take_few_arguments,
    errors_are_not_swallowed,
    functions_do_something,
    nothing_is_left_to_do,
    only_the_console_prints,
    data_is_never_run,
    text_has_an_encoding,
    pictures_name_their_formats,
    chance_has_an_owner,
]


def sources() -> list[Source]:
    root = SRC / "manako"
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_all_sources_keep_the_rule(rule):
    found = sources()

    faults = [fault for source in found for fault in rule(source)]

    assert len(found) > 10
    assert not faults, "\n" + "\n".join(faults)


def test_every_package_says_what_it_is():
    folders = {path.parent for path in (SRC / "manako").rglob("*.py")}

    silent = [
        str(folder.relative_to(SRC))
        for folder in sorted(folders)
        if not (folder / "__init__.py").is_file()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]

    assert not silent, f"no __init__.py with a docstring: {silent}"


@pytest.mark.parametrize("module", ["manako", "manako.storage", "manako.config", "manako.console"])
def test_importing_is_light_and_silent(module):
    heavy = "{'torch', 'numpy', 'rich'} & set(sys.modules)"
    code = f"import sys, {module}; sys.exit(', '.join({heavy}) or 0)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


LONG_BODY = "def f():\n" + "    x = 1\n" * 61
BAD = {
    imports_follow_the_order: [
        ("ops/a.py", "\nimport manako.tasks", "ops/a.py:2: ops imports tasks"),
        ("data/a.py", "from manako.models import zoo", "data imports models"),
        ("data/a.py", "from manako import losses", "data imports losses"),
        ("data/a.py", "from manako import train", "data imports train"),
        ("data/a.py", "import manako\nmanako.train()", "data/a.py:2: data imports train"),
        ("data/b/a.py", "from ...cli import x", "data imports cli"),
        ("data/a.py", "from .. import cli", "data imports cli"),
        ("errors.py", "from .ops import x", "errors imports ops"),
        ("ops/a.py", "def f():\n import manako.cli", "ops/a.py:2: ops imports cli"),
        ("ops/a.py", "importlib.import_module('manako.cli')", "ops imports cli"),
        ("new/a.py", "", "'new' is not in the order"),
    ],
    names_say_something: [
        ("data/utils.py", "", "data/utils.py:1: 'utils' says nothing"),
        ("core/boxes.py", "", "'core' says nothing"),
    ],
    files_are_short: [("ops/a.py", "x = 1\n" * 401, "ops/a.py:401: more than 400 lines")],
    functions_are_short: [("ops/a.py", LONG_BODY, "ops/a.py:1: f has 61 lines")],
    functions_take_few_arguments: [
        ("ops/a.py", "def f(a, b, c, d, *, e, f, g, h): x", "f takes 8 arguments"),
        ("cli/a.py", "def f(a, b, c, d, e, f, g, h): x", "f takes 8 arguments"),
        ("textbook/a.py", "def f(a, b, c, d, e, f, g, h): x", "f takes 8 arguments"),
    ],
    errors_are_not_swallowed: [
        ("ops/a.py", "try: x\nexcept: raise", "ops/a.py:2: a bare except"),
        ("ops/a.py", "try: x\nexcept OSError: pass", "an error is swallowed"),
        ("ops/a.py", "for a in b:\n try: x\n except E: continue", "an error is swallowed"),
        ("ops/a.py", "try: x\nexcept OSError: ...", "an error is swallowed"),
        ("ops/a.py", "with suppress(Exception): x", "an error is swallowed"),
    ],
    functions_do_something: [
        ("ops/a.py", "def f(): 'Soon.'", "f is empty"),
        ("ops/a.py", "def f(): pass", "f is empty"),
        ("ops/a.py", "def f(): raise NotImplementedError", "NotImplementedError"),
        ("ops/a.py", "def f(): raise NotImplementedError('soon')", "NotImplementedError"),
    ],
    nothing_is_left_to_do: [("ops/a.py", "\n# TODO: later", "ops/a.py:2: unfinished work")],
    only_the_console_prints: [("ops/a.py", "print(1)", "ops/a.py:1: print outside console/")],
    data_is_never_run: [
        ("ops/a.py", "import pickle", "pickle can run code"),
        ("ops/a.py", "from joblib import load", "joblib can run code"),
        ("ops/a.py", "eval('1')", "eval runs what it is given"),
        ("ops/a.py", "exec('1')", "exec runs what it is given"),
        ("ops/a.py", "yaml.load(text)", "yaml.load runs"),
        ("ops/a.py", "torch.load(path)", "torch.load without weights_only=True"),
        ("ops/a.py", "torch.load(path, weights_only=safe)", "without weights_only=True"),
        ("ops/a.py", "subprocess.run(line, shell=True)", "shell=True"),
        ("ops/a.py", "np.load(path, allow_pickle=True)", "allow_pickle=True"),
    ],
    text_has_an_encoding: [
        ("ops/a.py", "open(path)", "open without an encoding"),
        ("ops/a.py", "open(path, 'w')", "open without an encoding"),
        ("ops/a.py", "open(path, mode)", "open without an encoding"),
        ("ops/a.py", "path.open()", "open without an encoding"),
        ("ops/a.py", "path.open('a')", "open without an encoding"),
        ("ops/a.py", "path.open(mode='r')", "open without an encoding"),
        ("ops/a.py", "path.read_text()", "read_text without an encoding"),
        ("ops/a.py", "f().write_text(x)", "write_text without an encoding"),
    ],
    pictures_name_their_formats: [
        ("ops/a.py", "Image.open(file)", "Image.open without formats="),
        ("ops/a.py", "PIL.Image.open(file)", "Image.open without formats="),
    ],
    chance_has_an_owner: [
        ("ops/a.py", "import random", "the global `random` module"),
        ("ops/a.py", "from random import random", "the global `random` module"),
        ("training/a.py", "np.random.seed(1)", "NumPy's global state"),
        ("data/a.py", "numpy.random.rand()", "NumPy's global state"),
        ("models/a.py", "torch.manual_seed(1)", "outside training/"),
        ("data/a.py", "torch.rand(3)", "torch.rand without generator="),
    ],
}
GOOD = {
    imports_follow_the_order: [
        ("tasks/a.py", "from manako.data import x\nfrom ..ops import y"),
        ("data/a.py", "from manako import __version__\nfrom .b import c"),
        ("data/a.py", "import manako\nmanako.__version__"),
        ("data/a.py", "import os\nfrom manako.data.b import c"),
        ("__init__.py", "from manako.cli import x"),
    ],
    functions_are_short: [("ops/a.py", "def f():\n    'A.'\n" + "    x = 1\n" * 60)],
    functions_take_few_arguments: [
        ("ops/a.py", "def f(self, a, b, c, d, e, f, g): x"),
        ("models/entries/a.py", "def f(a, *, b, c, d, e, f, g, h): x"),
        ("cli/a.py", "def f(a: Annotated[int, typer.Option()], b, c, d, e, f, g, h): x"),
    ],
    errors_are_not_swallowed: [
        ("ops/a.py", "try: x\nexcept OSError: return None"),
        ("ops/a.py", "with suppress(FileNotFoundError): x"),
    ],
    functions_do_something: [
        ("ops/a.py", "class A(Protocol):\n def f(self): ..."),
        ("ops/a.py", "class A(Protocol[T]):\n def f(self): ..."),
        ("ops/a.py", "@overload\ndef f(a): ..."),
        ("ops/a.py", "try: x\nexcept NotImplementedError: return None"),
    ],
    only_the_console_prints: [("console/a.py", "print(1)")],
    data_is_never_run: [
        ("ops/a.py", "model.eval()\nyaml.safe_load(x)\nimport json"),
        ("ops/a.py", "torch.load(path, weights_only=True)"),
    ],
    text_has_an_encoding: [
        ("ops/a.py", "open(p, 'rb')\nopen(p, encoding='utf-8')\npath.open('wb')"),
        ("ops/a.py", "archive.open(name)\nos.open(p, flags)\nImage.open(file)"),
        ("ops/a.py", "a.read_text('utf-8')\na.write_text(x, encoding='utf-8')"),
    ],
    pictures_name_their_formats: [("ops/a.py", "Image.open(file, formats=FORMATS)")],
    chance_has_an_owner: [
        ("data/a.py", "np.random.default_rng(1)\ntorch.rand(3, generator=g)"),
        ("training/a.py", "torch.manual_seed(1)"),
        ("models/a.py", "torch.rand(3)"),
    ],
}


def cases(table):
    return [(rule, *case) for rule, snippets in table.items() for case in snippets]


@pytest.mark.parametrize(("rule", "path", "text", "message"), cases(BAD))
def test_the_rule_finds_the_fault(rule, path, text, message):
    faults = list(rule(Source(path, text)))

    assert len(faults) == 1
    assert message in faults[0]
    assert faults[0].startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), cases(GOOD))
def test_the_rule_lets_good_code_pass(rule, path, text):
    assert list(rule(Source(path, text))) == []


def test_every_rule_is_itself_tested():
    assert set(BAD) == set(RULES)
