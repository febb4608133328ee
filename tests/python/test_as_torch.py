"""rushlight under the name torch: as_torch() and `python -m rushlight`, each in a process of its own."""

import os
import pickle
import subprocess
import sys
import textwrap

import pytest
import rushlight

MODULES = [
    "nn",
    "nn.functional",
    "nn.init",
    "optim",
    "optim.lr_scheduler",
    "autograd",
    "linalg",
    "fft",
    "utils",
    "cuda",
]


def run(*arguments, cwd=None, stdin=None, rc=0):
    """stdout of a Python process; stderr where it is meant to fail."""
    root = os.path.dirname(os.path.dirname(rushlight.__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, input=stdin, text=True, capture_output=True, env=environment
    )
    assert done.returncode == rc, done.stderr
    return done.stderr if rc else done.stdout


def after(code, **keywords):
    """stdout of code after as_torch()."""
    return run("-c", "import rushlight; rushlight.as_torch()\n" + textwrap.dedent(code), **keywords)


def program(*arguments, **keywords):
    return run("-m", "rushlight", *arguments, **keywords)


def test_modules_are_the_same_objects():
    after(f"""
        import sys, importlib
        import torch
        assert torch is rushlight and rushlight.as_torch() is rushlight
        spec = rushlight.nn.__spec__
        for name in {MODULES}:
            module = importlib.import_module("torch." + name)
            assert module is importlib.import_module("rushlight." + name) is sys.modules["torch." + name]
            assert module.__name__ == module.__spec__.name == "rushlight." + name
        assert rushlight.nn.__spec__ is spec
        import torch.nn as nn, torch.nn.functional as F
        from torch import Tensor, nn as other
        from torch.optim import SGD
        assert nn is other is rushlight.nn and F is rushlight.nn.functional and SGD is rushlight.optim.SGD
        assert isinstance(torch.ones(2), torch.Tensor) and Tensor is rushlight.Tensor
    """)


def test_nothing_is_imported_eagerly():
    after("""
        import sys, torch
        assert "rushlight.nn" not in sys.modules and "numpy" not in sys.modules
        assert torch.nn is sys.modules["rushlight.nn"]
    """)


@pytest.mark.parametrize(
    "statement, error, text",
    [
        ("import torch.foo", "ModuleNotFoundError", "rushlight has no torch.foo"),
        ("import torch.nn.foo", "ModuleNotFoundError", "rushlight has no torch.nn.foo"),
        ("import torch.foo.bar", "ModuleNotFoundError", "rushlight has no torch.foo"),
        ("import torch; torch.foo", "AttributeError", "rushlight has no torch.foo"),
        ("from torch import foo", "ModuleNotFoundError", "rushlight has no torch.foo"),
        ("from torch.nn import foo", "ModuleNotFoundError", "rushlight has no torch.nn.foo"),
        ("from torch.nn.functional import foo", "ImportError", "'foo'"),
        ("import torch; torch.nn.functional.foo", "AttributeError", "rushlight has no torch.nn.functional.foo"),
    ],
)
def test_what_is_absent_is_named(statement, error, text):
    last = after(statement, rc=1).strip().splitlines()[-1]
    assert last.startswith(error) and text in last


def test_questions_about_absent_modules():
    after("""
        import importlib.util, torch
        assert importlib.util.find_spec("torch") and importlib.util.find_spec("torch.nn")
        assert importlib.util.find_spec("torch.foo") is None and not hasattr(torch, "foo")
        assert getattr(torch, "no_such_function", 5) == 5
    """)


def test_another_torch(tmp_path):
    (tmp_path / "torch.py").write_text("x = 1")
    error = run("-c", "import torch, rushlight; rushlight.as_torch()", cwd=tmp_path, rc=1)
    assert "RuntimeError: rushlight.as_torch(): another torch is imported already" in error
    run("-c", "import rushlight; rushlight.as_torch(); import torch; assert torch is rushlight", cwd=tmp_path)


def test_version():
    out = after("""
        import torch, importlib.metadata
        v = torch.__version__
        assert isinstance(v, str) and v == torch.version.__version__ == importlib.metadata.version("torch")
        assert v > "2.9" and v >= (2, 9) and v < "2.100" and not v < "2.2" and v >= "1.10.0" and v < "3"
        assert v != "nonsense" and v == str(v) and hash(v) == hash(str(v)) and v.startswith("2.13")
        assert torch.version.cuda is None and v.split("+")[0] == torch.version.torch_api
        print(v, torch.version.rushlight, sep="|")
    """)
    assert out.strip() == f"2.13.0+rushlight.{rushlight.__version__}|{rushlight.__version__}"
    packaging = pytest.importorskip("packaging.version")
    version = packaging.parse(out.split("|")[0])
    assert version.release == (2, 13, 0) and not version.is_prerelease and version >= packaging.parse("2.13")


def test_comparison_of_versions():
    from rushlight.torch_version import TorchVersion as V

    assert V("2.1") == V("2.1.0") == "2.1.0+cpu" and V("2.1") > V("2.1.0rc1") > V("2.1.0b3") > V("2.1.0.dev7")
    assert V("2.10") > "2.9" and V("2.10") <= (2, 10) and V("2.10") != "2.1" and V("1.0") != object()
    with pytest.raises(ValueError, match="nonsense"):
        assert V("1.0") < "nonsense"


def test_pickles_do_not_depend_on_the_name(tmp_path):
    after("""
        import pickle, torch
        from torch import nn
        model = nn.Linear(2, 1)
        state = {"w": torch.arange(3.0), "dtype": torch.int64, "shape": torch.Size([2])}
        with open("p", "wb") as file: pickle.dump((state, model), file)
        assert nn.Linear.__module__.startswith("rushlight.nn")
    """, cwd=tmp_path)  # fmt: skip
    state, model = pickle.loads((tmp_path / "p").read_bytes())
    assert state["w"].tolist() == [0, 1, 2] and state["dtype"] is rushlight.int64 and state["shape"] == (2,)
    assert isinstance(model, rushlight.nn.Linear)


# ---- python -m rushlight

SHOW = "import sys, torch; print(sys.argv, repr(sys.path[0]), __name__, torch.__file__)"


def test_script(tmp_path):
    (tmp_path / "helper.py").write_text("import torch\nx = torch.ones(2)")
    script = tmp_path / "script.py"
    script.write_text(
        "from helper import x\nif __name__ == '__main__':\n    print(x, __file__, __spec__, __package__)\n" + SHOW
    )
    assert program(script, "a", "--b", "-c") == (
        f"tensor([1., 1.]) {script} None None\n[{str(script)!r}, 'a', '--b', '-c'] {str(tmp_path)!r} __main__ {rushlight.__file__}\n"
    )
    assert "['script.py']" in program("script.py", cwd=tmp_path)
    script.write_bytes("# -*- coding: latin-1 -*-\nprint(len('\xe9'))".encode("latin-1"))
    assert program(script) == "1\n"


def test_module_code_stdin_folder(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(SHOW + "; print(__package__, __spec__.name)")
    (tmp_path / "single.py").write_text(SHOW)
    main = str(tmp_path / "package" / "__main__.py")
    out = program("-m", "package", "x", cwd=tmp_path)
    assert out.startswith(f"[{main!r}, 'x'] {str(tmp_path)!r} __main__") and out.endswith("package package.__main__\n")
    assert program("-m", "single", cwd=tmp_path).startswith(f"[{str(tmp_path / 'single.py')!r}] ")
    assert program("-c", SHOW, "x").startswith("['-c', 'x'] '' __main__")
    assert program("-", "x", stdin=SHOW).startswith("['-', 'x'] '' __main__")
    assert program(tmp_path / "package").startswith(f"[{main!r}] {str(tmp_path / 'package')!r} __main__")


def test_errors_look_like_pythons(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    1 / 0\nf()\n")
    assert program(script, rc=1) == run(script, rc=1)
    script.write_text("x ==\n")
    assert program(script, rc=1) == run(script, rc=1)
    script.write_text("import sys, atexit; atexit.register(print, 'bye'); sys.exit(7)")
    program(script, rc=7)
    script.write_text("import sys\nsys.excepthook = lambda t, e, b: print('hook', t.__name__, file=sys.stderr)\n1/0")
    assert program(script, rc=1) == "hook ZeroDivisionError\n"
    assert "No module named no_such_module" in program("-m", "no_such_module", rc=2)
    assert "can't open file" in program("no_such_file.py", rc=2)
    assert "argument expected for the -c option" in program("-c", rc=2)


def test_classes_of_the_script_can_be_pickled(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import pickle\nclass C: x = 3\nassert pickle.loads(pickle.dumps(C())).x == 3\nprint(C.__module__)"
    )
    assert program(script) == "__main__\n"


def test_questions():
    assert program("--version").strip() == rushlight.__version__ == program().strip()
    assert "python -m rushlight script.py" in program("--help")
    assert os.path.isdir(program("--include-dir").strip())


def test_training_script(tmp_path):
    (tmp_path / "train.py").write_text(
        textwrap.dedent("""
            import torch
            import torch.nn as nn
            import torch.nn.functional as F
            from torch import Tensor, optim
            from torch.optim.lr_scheduler import StepLR

            class Net(nn.Module):
                def __init__(self, hidden: int = 16) -> None:
                    super().__init__()
                    self.inner = nn.Linear(2, hidden)
                    self.outer = nn.Linear(hidden, 1)

                def forward(self, x: Tensor) -> Tensor:
                    return self.outer(torch.tanh(self.inner(x)))

            torch.manual_seed(0)
            x = torch.rand(64, 2)
            y = (x[:, :1] * x[:, 1:]).detach()
            model = Net()
            optimizer = optim.Adam(model.parameters(), lr=0.05)
            scheduler = StepLR(optimizer, 50, 0.5)
            first = None
            for epoch in range(100):
                optimizer.zero_grad()
                loss = F.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                scheduler.step()
                first = first or loss.item()
            with torch.no_grad():
                assert F.mse_loss(model(x), y).item() < first / 20
            state = model.state_dict()
            assert all(isinstance(v, torch.Tensor) for v in state.values())
            Net().load_state_dict(state)
            print("trained")
        """)
    )
    assert program("train.py", cwd=tmp_path) == "trained\n"


# ---- einops

EINOPS = """
import sys
import numpy as np
{imports}
x = torch.arange(24.0).reshape(2, 3, 4)
n = x.numpy()
assert np.array_equal(rearrange(x, "a b c -> c (b a)"), n.transpose(2, 1, 0).reshape(4, 6))
assert np.array_equal(reduce(x, "a b c -> a c", "max"), n.max(1))
assert np.allclose(reduce(x, "a (b 1) c -> c", "mean"), n.mean((0, 1)))
assert reduce(x > 30, "a b c -> a", "any").tolist() == [False, False]
assert repeat(x, "a b c -> a (b 2) c").shape == (2, 6, 4) and rearrange([x, x], "n a b c -> a n b c").shape == (2, 2, 3, 4)
packed, shapes = pack([x, x[:, 0]], "a * c")
assert packed.shape == (2, 4, 4) and [tuple(p.shape) for p in unpack(packed, shapes, "a * c")] == [(2, 3, 4), (2, 4)]
w = torch.ones(2, 3, requires_grad=True)
rearrange(w * 2, "a b -> b a").sum().backward()
assert w.grad.tolist() == [[2.0] * 3] * 2 and type(rearrange(w, "a b -> (a b)")) is torch.Tensor
if hasattr(torch, "einsum"):
    assert np.allclose(einsum(x, x, "a b c, a d c -> a b d"), np.einsum("abc,adc->abd", n, n))
assert isinstance(rearrange(n, "a b c -> (a b c)"), np.ndarray)
"""
FUNCTIONS = "from einops import einsum, pack, rearrange, reduce, repeat, unpack"


@pytest.mark.parametrize(
    "imports",
    [
        f"import rushlight as torch\n{FUNCTIONS}",
        f"{FUNCTIONS}\nimport rushlight as torch",
        f"import rushlight; rushlight.as_torch(); import torch\n{FUNCTIONS}",
    ],
)
def test_einops(imports):
    pytest.importorskip("einops")
    run("-c", EINOPS.format(imports=imports))


def test_einops_layers():
    pytest.importorskip("einops")
    after("""
        import pickle
        import torch
        from einops.layers.torch import Rearrange, Reduce
        model = torch.nn.Sequential(Rearrange("a b c -> a (b c)"), torch.nn.Linear(12, 5), Reduce("a b -> a", "mean"))
        y = model(torch.ones(2, 3, 4))
        assert y.shape == (2,) and y.requires_grad and "Rearrange" in repr(model)
        assert pickle.loads(pickle.dumps(model))(torch.ones(2, 3, 4)).equal(y)
    """)


def test_array_api_compat_takes_it_for_torch():
    pytest.importorskip("array_api_compat")
    after("""
        import array_api_compat
        import torch
        x = torch.tensor([[1.0, 5.0], [2.0, 3.0]])
        xp = array_api_compat.array_namespace(x)
        assert array_api_compat.is_torch_array(x) and xp.__name__ == "array_api_compat.torch"
        assert xp.max(x).item() == 5 and xp.min(x, axis=0).tolist() == [1, 3] and xp.sum(x, axis=1).tolist() == [6, 5]
        assert xp.concat([x, x]).shape == (4, 2) and xp.permute_dims(x, (1, 0)).tolist() == [[1, 2], [5, 3]]
        assert xp.std(x, axis=0).tolist() == [0.5, 1] and xp.astype(x, torch.int64).dtype is torch.int64
    """)
