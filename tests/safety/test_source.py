"""No line of the package runs what a file says."""

import ast
import re
from pathlib import Path

import pytest

import tfbert

PACKAGE = Path(tfbert.__file__).parent
SOURCES = sorted({*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "recipes").glob("*.py")})
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "yaml.load", "np.fromstring", "os.system", "os.popen",
         "keras.config.enable_unsafe_deserialization", "enable_unsafe_deserialization"}  # fmt: skip
ARGUMENTS = {"safe_mode": False, "allow_pickle": True, "shell": True}


def faults(source):
    """Return the lines of a source that could run what a file says, each with what it is."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            found += [(node.lineno, name) for name in names if name in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            # A model's own `compile`, and a pattern's, are others.
            if called in CALLS or called.endswith("layers.Lambda"):
                found.append((node.lineno, called))
            for keyword in node.keywords:
                if keyword.arg in ARGUMENTS and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value != ARGUMENTS[keyword.arg]
                ):
                    found.append((node.lineno, f"{keyword.arg}={ast.unparse(keyword.value)}"))
    return found


def test_the_package_runs_nothing_from_files():
    assert len(SOURCES) > 100
    assert [(str(path), *fault) for path in SOURCES for fault in faults(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import os, pickle as p",
        "from joblib import load",
        "from yaml import load",
        "eval(text)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.layers.Lambda(f)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_such_a_line_would_be_found(line):
    assert faults(line)


@pytest.mark.parametrize("line", ["np.load(path, allow_pickle=False)", "model.compile(a)", "re.compile(a)", "x.eval()"])
def test_others_are_not(line):
    assert not faults(line)


def test_environment_and_headers_are_never_printed():
    """Secrets come in the environment, in headers and in addresses with a password."""
    secrets = re.compile(
        r"os\.environ\b(?!\.setdefault|\[\"(CUDA_VISIBLE_DEVICES|TF_)|\.get\(\"TF_)|\bheaders\b|netloc"
    )
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called == "print" or called.split(".")[0] in ("logger", "logging") or called.endswith("Error"):
                said = ast.unparse(node)
                assert not secrets.search(said), f"{path}:{node.lineno}: {said[:200]}"


def test_no_archive_is_opened():
    """Unpacked, it could write outside its folder, or fill the disk."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not {"zipfile", "tarfile"} & {*names, getattr(node, "module", None)}, path
            assert not (isinstance(node, ast.Attribute) and node.attr in ("unpack_archive", "extractall")), path
