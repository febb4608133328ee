"""Libraries that take tensors for arrays: opt_einsum, NumPy's functions, plotting, data frames, images."""

import subprocess
import sys

import numpy as np
import pytest
import rushlight as torch
from helpers import array, run_child

EQUATIONS = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "ij,jk,kl->il": [(3, 4), (4, 5), (5, 2)],
    "abc,cde,eaf->bdf": [(2, 3, 4), (4, 5, 2), (2, 2, 6)],
    "ij->ji": [(2, 3)],
    "ij,ij->": [(2, 3), (2, 3)],
    "i,j->ji": [(2,), (3,)],
    "...ij,...jk->...ik": [(7, 2, 3), (7, 3, 4)],
    "αβ,βγ->γα": [(3, 4), (4, 5)],
    ",ij->j": [(), (2, 3)],
}


def draw(*shape):
    return np.random.default_rng(0).random(shape)


# ---- opt_einsum


@pytest.mark.parametrize("backend", ["auto", "rushlight"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_opt_einsum(equation, backend):
    opt_einsum = pytest.importorskip("opt_einsum")
    arrays = [draw(*shape) for shape in EQUATIONS[equation]]
    tensors = [torch.from_numpy(np.array(a)).requires_grad_() for a in arrays]
    result = opt_einsum.contract(equation, *tensors, backend=backend)
    assert isinstance(result, torch.Tensor) and result.requires_grad
    assert np.allclose(array(result.detach()), opt_einsum.contract(equation, *arrays))


def test_opt_einsum_expressions():
    opt_einsum = pytest.importorskip("opt_einsum")
    a, b, c = draw(3, 4), draw(4, 5), draw(5, 2)
    for constant in (a, torch.from_numpy(a)):
        expression = opt_einsum.contract_expression("ij,jk,kl->il", constant, (4, 5), (5, 2), constants=[0])
        result = expression(torch.from_numpy(b).requires_grad_(), torch.from_numpy(c), backend="rushlight")
        assert result.requires_grad and np.allclose(result.detach(), a @ b @ c)
        result = expression(b, c, backend="rushlight")
        assert isinstance(result, np.ndarray) and np.allclose(result, a @ b @ c)


@pytest.mark.parametrize("first, second", [("rushlight", "opt_einsum"), ("opt_einsum", "rushlight")])
def test_opt_einsum_in_both_orders_of_import(first, second):
    pytest.importorskip("opt_einsum")
    program = (
        f"import {first}, {second}; o = rushlight.ones(2, 2); print(opt_einsum.contract('ab,bc->ac', o, o).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout == "[[2.0, 2.0], [2.0, 2.0]]\n"


def test_tensordot_with_axes():
    x, y = torch.from_numpy(draw(2, 3, 4)), torch.from_numpy(draw(4, 3, 2))
    for axes in (0, 1, (1, 1), ([0, 1], [2, 1]), [(-1,), (0,)], (2, [0]), ((0, 1, 2), (2, 1, 0))):
        assert np.allclose(torch.tensordot(x, y, axes=axes), np.tensordot(x.numpy(), y.numpy(), axes=axes))


# ---- NumPy's functions, which call methods of the tensor with NumPy's keywords

REDUCTIONS = [
    "min",
    "max",
    "amin",
    "amax",
    "std",
    "var",
    "prod",
    "sum",
    "mean",
    "ptp",
    "argmin",
    "argmax",
    "any",
    "all",
]


@pytest.mark.parametrize("name", [*REDUCTIONS, "cumsum", "cumprod", "round", "squeeze", "ravel", "median"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_numpy_functions(name, dtype):
    a = (draw(3, 1, 4) * 3).astype(dtype)
    options = [{}, {"axis": 1}, {"axis": -1}, {"keepdims": True}, {"axis": (0, 2)}, {"axis": 0, "keepdims": True}]
    options += [{"ddof": 1}, {"axis": 0, "ddof": 1}, {"dtype": np.float32}, {"initial": 0}]
    options += [{"where": a > 1, "initial": 1}, {"axis": 2, "out": np.zeros((3, 1))}]
    called = 0
    for keywords in options:
        try:
            with np.errstate(all="ignore"):
                expected = getattr(np, name)(a, **{k: v.copy() if k == "out" else v for k, v in keywords.items()})
        except (TypeError, ValueError):  # NumPy has no such form
            continue
        result = getattr(np, name)(torch.from_numpy(a), **keywords)
        assert tuple(result.shape) == expected.shape, keywords
        assert np.allclose(np.asarray(result), expected, equal_nan=True), keywords
        assert result is keywords["out"] if "out" in keywords else True
        called += 1
    assert called >= 1


def test_numpy_functions_keep_the_history():
    w = torch.from_numpy(draw(2, 3)).requires_grad_()
    for name in ("min", "max", "std", "var", "prod", "sum", "mean", "cumsum"):
        for axis in (None, 0):
            result = getattr(np, name)(w, axis=axis)
            assert isinstance(result, torch.Tensor) and result.requires_grad
            assert np.allclose(result.detach(), getattr(np, name)(w.detach().numpy(), axis=axis))
    with pytest.raises(RuntimeError, match="requires grad"):
        np.max(w, initial=0)


def test_numpy_functions_into_tensors():
    x, out = torch.from_numpy(draw(2, 3)), torch.zeros(3, dtype=torch.float64)
    before = out._version
    assert np.max(x, axis=0, out=out) is out and out.tolist() == x.amax(0).tolist() and out._version > before
    with pytest.raises(ValueError, match="shape"):
        np.max(x, axis=1, out=out)
    assert out.tolist() == x.amax(0).tolist()


def test_methods_take_no_out():
    x = torch.ones(2, 3)
    for call in (lambda: x.max(0, out=None), lambda: x.sum(out=None), lambda: x.add(1, out=x), lambda: x.min(out=x)):
        with pytest.raises(TypeError):
            call()
    assert type(x.max(axis=0)).__name__ == "max"  # torch's, with indices


# ---- plots


def test_to_numpy():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.to_numpy().ctypes.data == x.data_ptr() and x.t().to_numpy().tolist() == x.t().tolist()
    assert x.to_numpy(copy=True).ctypes.data != x.data_ptr() and x.to_numpy(dtype="int8").dtype == np.int8
    w = x.clone().requires_grad_()
    assert (w * 2).to_numpy().tolist() == (x * 2).tolist()
    assert x.bfloat16().to_numpy().dtype == np.float32 and x.half().to_numpy().dtype == np.float16
    assert (x + 1j).conj().to_numpy()[0, 0] == -1j and x.to(torch.complex32).to_numpy().dtype == np.complex64


@pytest.mark.parametrize("made", [lambda x: x, lambda x: x.requires_grad_(), lambda x: x.bfloat16(), lambda x: x.int()])
def test_matplotlib(made):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    x = made(torch.arange(10.0))
    figure, axes = plt.subplots()
    (line,) = axes.plot(x, x)
    assert line.get_ydata().tolist() == list(range(10))
    assert axes.stem(x, x).markerline.get_xdata().tolist() == list(range(10))
    if x.dtype is not torch.bfloat16 and not x.requires_grad:  # these do not ask for to_numpy()
        assert axes.imshow(x.reshape(2, 5)).get_array().shape == (2, 5)
        assert axes.bar(x, x).patches[3].get_height() == 3
        assert axes.scatter(x, x).get_offsets().shape == (10, 2)
    assert axes.hist(x, bins=5)[0].tolist() == [2] * 5
    plt.close(figure)


def test_asking_for_an_iterator_makes_no_parts():
    x = torch.zeros(1000)
    iterator = iter(x)
    assert x.untyped_storage().data_ptr() and iterator.__length_hint__() == 1000 and np.iterable(x)
    first = next(iterator)
    assert first._base is x and iterator.__length_hint__() == 999
    assert len(list(iterator)) == 999 and next(iterator, None) is None and iterator.__length_hint__() == 0
    assert [v.item() for v in torch.arange(100)] == list(range(100))
    w = torch.zeros(100, requires_grad=True)
    assert type(next(iter(w)).grad_fn).__name__ == "UnbindBackward0"
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))


# ---- data frames, images


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "uint16", "int32", "int64", "float32", "float64"])
def test_polars(dtype):
    polars = pytest.importorskip("polars")
    a = (draw(21) * 3).astype(dtype)
    for x in (torch.from_numpy(a), torch.from_numpy(a)[::2], torch.from_numpy(a)[:0]):
        series = polars.Series(x)
        assert series.to_list() == x.tolist() and series.dtype == polars.Series(x.numpy()).dtype
        assert polars.DataFrame({"a": x, "b": x})["b"].to_list() == x.tolist()
        assert torch.as_tensor(series).tolist() == x.tolist()
    whole = torch.from_numpy(a).reshape(7, 3)
    assert [list(row) for row in polars.Series(whole)] == whole.tolist()
    cube = torch.from_numpy(a[:12]).reshape(2, 3, 2)
    assert polars.Series(cube).to_numpy().tolist() == cube.tolist()


def test_polars_where_rushlight_stands_in_for_torch():
    """as_torch() before polars is imported: a data frame of a matrix, expressions, names, and the way back."""
    pytest.importorskip("polars")
    run_child("""
        torch.as_torch()
        import polars
        assert polars.Series("a", torch.arange(3)).name == "a"
        frame = polars.DataFrame(torch.ones(2, 3))
        assert frame.shape == (2, 3)
        assert frame.with_columns(b=torch.zeros(2))["b"].to_list() == [0, 0]
        back = frame.to_torch()
        assert type(back) is torch.Tensor and back.tolist() == [[1, 1, 1], [1, 1, 1]]
    """)


def test_polars_of_other_tensors():
    polars = pytest.importorskip("polars")
    x = torch.arange(3.0)
    series = polars.Series(x)
    del x
    assert series.to_list() == [0, 1, 2]  # which keeps the memory
    assert polars.Series(torch.tensor([1.5], dtype=torch.bfloat16)).to_list() == [1.5]
    assert polars.Series(torch.tensor(4)).to_list() == [4]
    with pytest.raises(RuntimeError, match="requires grad"):
        polars.Series(torch.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="complex64"):
        polars.Series(torch.ones(2, dtype=torch.complex64))
    torch.ones(2).__arrow_c_array__()  # never consumed


def test_images():
    image = pytest.importorskip("PIL.Image")
    pixels = torch.arange(2 * 3 * 3, dtype=torch.uint8).reshape(2, 3, 3)
    made = image.fromarray(pixels)
    assert made.size == (3, 2) and made.mode == "RGB" and made.getpixel((1, 0)) == (3, 4, 5)
    assert torch.as_tensor(made).tolist() == pixels.tolist()


def test_array_interface():
    x = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    found = x.t().__array_interface__
    assert found["shape"] == (3, 2) and found["strides"] == (4, 12) and found["data"] == (x.data_ptr(), False)
    assert found["typestr"][1:] == "i4"
    for t in (torch.ones(1, requires_grad=True), torch.ones(1, dtype=torch.bfloat16), torch.ones(1).cfloat().conj()):
        assert not hasattr(t, "__array_interface__")
