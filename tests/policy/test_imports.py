"""The house's rules: imports run one way, nothing happens at import, nothing unsafe is called."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "idiolect"
ORDER = (
    "ground corpus tokenizer embeddings data models tasks optim train evaluate plan tune generate serve export report "
    "recipe request verbs stages journey python cli"
).split()
GROUND_ONLY = {"models", "optim"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room a dotted module name of ours stands in."""
    part = module.split(".")[1] if "." in module else ""
    if part in ("__main__", "cli") or part.startswith("cli_"):
        return "cli"
    if part.startswith("journey"):
        return "journey"
    return part if part in ORDER else "ground"


def imports_of(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def wrong_imports(room: str, source: str) -> list[str]:
    wrong = []
    for name in imports_of(source):
        if name.split(".")[0] == "idiolect":
            target = room_of(name)
            if ORDER.index(target) > ORDER.index(room):
                wrong.append(name)
            elif room in GROUND_ONLY and target not in ("ground", room):
                wrong.append(name)
        elif room in ("corpus", "embeddings") and name.split(".")[0] == "torch":
            wrong.append(name)
    return wrong


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_leftward(path):
    assert wrong_imports(room_of(module_name(path)), path.read_text()) == []


def test_a_wrong_import_is_caught():
    assert wrong_imports("models", "from idiolect.data import batch")
    assert wrong_imports("train", "def f():\n    from idiolect.evaluate.score import score")
    assert wrong_imports("corpus", "import torch")
    assert not wrong_imports("train", "from idiolect.models.gpt import GPT")


LIGHT = ["idiolect", "idiolect.recipe", "idiolect.cli"]
HEAVY = ["torch", "daft", "transformers", "tokenizers", "plotly", "optuna", "sklearn", "pyarrow"]


@pytest.mark.parametrize("module", LIGHT)
def test_reading_a_recipe_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_importing_every_module_is_silent():
    modules = [module_name(p).removesuffix(".__init__") for p in FILES if p.name != "__main__.py"]
    code = f"import importlib\nfor m in {modules!r}: importlib.import_module(m)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


UNSAFE_CALLS = {
    "pickle.load", "pickle.loads", "torch.load", "yaml.load", "eval", "exec", "os.system", "marshal.loads", "dill.load",
    "joblib.load", "cloudpickle.loads", "numpy.load", "np.load",
}  # fmt: skip
UNSAFE_KEYWORDS = {("shell", True), ("allow_pickle", True), ("verify", False), ("trust_remote_code", True)}


def unsafe_calls(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {(k.arg, k.value.value) for k in node.keywords if isinstance(k.value, ast.Constant)}
            safe_numpy = name in ("np.load", "numpy.load") and ("allow_pickle", False) in keywords
            if (name in UNSAFE_CALLS and not safe_numpy) or keywords & UNSAFE_KEYWORDS:
                found.append(f"{name} (line {node.lineno})")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unsafe_is_called(path):
    assert unsafe_calls(path.read_text()) == []


@pytest.mark.parametrize(
    "line", ["torch.load(p)", "pickle.load(f)", "exec(s)", "np.load(p)", "run(c, shell=True)", "get(u, verify=False)"]
)
def test_unsafe_calls_are_caught(line):
    assert unsafe_calls(line)
