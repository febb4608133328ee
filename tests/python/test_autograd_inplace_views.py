"""In-place changes of views that are refused, and views in inference mode."""

import pytest
import rushlight as torch

MULTIPLE = "is a view and is being modified inplace. This view is the output of a function that returns multiple views"
NO_GRAD = "A view was created in no_grad mode and is being modified inplace with grad mode enabled"
CUSTOM = "This view was created inside a custom Function"


def result(*shape, device):
    """A tensor with a history."""
    return torch.ones(shape, device=device, requires_grad=True) * 2


SEVERAL = [
    ("Unbind", lambda x: x.unbind(0)),
    ("Split", lambda x: x.split(1)),
    ("Split", lambda x: x.chunk(2)),
    ("SplitWithSizes", lambda x: x.split([1, 1])),
    ("SplitWithSizes", lambda x: torch.split_with_sizes(x, [1, 1])),
]
CHANGES = [
    lambda v: v.mul_(2),
    lambda v: v.zero_(),
    lambda v: v.t_(),
    lambda v: v.unsqueeze_(0),
    lambda v: v[0].add_(1),
    lambda v: v.view(-1).exp_(),
    lambda v: v.copy_(torch.zeros(v.shape)),
    lambda v: v.__setitem__(0, 3.0),
]


@pytest.mark.parametrize("name, function", SEVERAL)
@pytest.mark.parametrize("change", range(len(CHANGES)))
def test_functions_with_several_views(name, function, change, device):
    x = result(2, 3, device=device)
    part = function(x)[1]
    pattern = MULTIPLE if change in (4, 5, 7) else f"Output 1 of {name} {MULTIPLE}"
    before = x.tolist(), x._version, part.shape
    with pytest.raises(RuntimeError, match=pattern):
        CHANGES[change](part)
    assert (x.tolist(), x._version, part.shape) == before


def test_where_several_views_may_change(device):
    for function in (lambda x: x.unsafe_split(1), lambda x: x.unsafe_chunk(2), lambda x: x.tensor_split(2)):
        part = function(result(2, 3, device=device))[0]
        part.mul_(2)
        assert part.requires_grad
    part = result(2, 3, device=device).unbind()[0]
    with torch.no_grad():
        part.mul_(2)
    part.detach().mul_(2)
    part = torch.ones(2, 3, device=device).unbind()[0]
    part.mul_(2)
    with pytest.raises(RuntimeError, match="returns multiple views"):
        part.mul_(torch.ones(3, device=device, requires_grad=True))
    assert part.tolist() == [2.0] * 3


def test_a_changed_base_makes_them_invalid(device):
    x = result(2, 3, device=device)
    part = x.unbind()[0]
    x.mul_(2)
    for use in (lambda: part.grad_fn, lambda: part.sum()):
        with pytest.raises(RuntimeError, match="Unbind is a view and its base or another view of its base has been"):
            use()
    assert repr(part) == "tensor([4., 4., 4.], grad_fn=<Invalid>)"
    with torch.no_grad():
        assert part.sum().item() == 12


def test_a_base_that_becomes_a_leaf_later(device):
    x = torch.ones(2, 3, device=device)
    row, part = x[1], x.unbind()[1]
    x.requires_grad_()
    for v in (row, part):
        assert v.requires_grad and v.is_leaf and v.grad_fn is None
        (v * 2).sum().backward()
        assert x.grad is None
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        row.add_(1)
    with torch.no_grad():
        x.add_(1)
    assert row.grad_fn.name() == "AsStridedBackward0"
    (row * 2).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3, [2.0] * 3]
    with pytest.raises(RuntimeError, match="or another view of its base has been modified"):
        part.grad_fn  # noqa: B018


def test_views_of_other_bases_that_become_leaves_later(device):
    x = torch.ones(4, device=device)
    v = x[1:]
    x.requires_grad_()
    v.requires_grad_(False)
    assert v.requires_grad
    part = v[1:]
    assert part.grad_fn.name() == "SliceBackward0" and not part.is_leaf
    x.requires_grad_(False)
    assert not v.requires_grad and v.is_leaf


def test_views_of_no_grad_mode(device):
    x = result(2, 3, device=device)
    with torch.no_grad():
        v = x[0]
        v.mul_(1)
    with pytest.raises(RuntimeError, match=NO_GRAD):
        v.mul_(2)
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and its base or another view"):
        v.grad_fn  # noqa: B018
    leaf = torch.ones(2, device=device, requires_grad=True)
    with torch.no_grad():
        v = leaf[:]
        assert v.grad_fn is None
        v *= 2
    assert repr(v) == "tensor([2., 2.], grad_fn=<Invalid>)"
    free = torch.ones(2, device=device)
    with torch.no_grad():
        v = free.view(2)
    v.mul_(2)
    assert v.grad_fn is None
    v.requires_grad_()
    with pytest.raises(RuntimeError, match="Output 0 of View is a view of a view which was created in no_grad mode"):
        v.view(2).div_(2)


class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g * 7


class Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x[:1], x[1:]

    @staticmethod
    def backward(ctx, g, h):
        return torch.cat([g, h])


def test_views_of_custom_functions(device):
    x = result(2, device=device)
    v = Same.apply(x)
    with pytest.raises(RuntimeError, match=f"Output 0 of Same is a view and is being modified inplace. {CUSTOM}"):
        v.mul_(2)
    v.sum().backward()
    with pytest.raises(RuntimeError, match=MULTIPLE):
        Halves.apply(result(2, device=device))[1].mul_(2)
    v = Same.apply(torch.ones(2, device=device))
    v.mul_(2)
    for change in (lambda: v.mul_(x), lambda: v.copy_(x)):
        with pytest.raises(RuntimeError, match=CUSTOM):
            change()
    with torch.no_grad():
        v = Same.apply(x)
    with pytest.raises(RuntimeError, match=NO_GRAD):
        v.mul_(2)


def test_absent_gradients_of_outputs_without_a_derivative(device):
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, materialize):
            out = x * 2, x * 3
            ctx.mark_non_differentiable(out[1])
            ctx._materialize_non_diff_grads = materialize
            return out

        @staticmethod
        def backward(ctx, g, h):
            seen.append(None if h is None else h.tolist())
            return g, None

    seen = []
    for materialize in (True, False):
        Two.apply(result(1, device=device), materialize)[0].backward()
    assert seen == [[0.0], None]


def test_hooks_that_refer_to_custom_functions_are_freed(device):
    import gc
    import weakref

    class Mark:
        pass

    def scope():
        y = Same.apply(result(1, device=device))
        node, mark = y.grad_fn, Mark()
        y.grad_fn.register_hook(lambda *args: (node, mark))
        y.register_hook(lambda *args: (node, mark) and None)
        return y.clone(), weakref.ref(mark)

    z, ref = scope()
    assert ref() is not None
    del z
    gc.collect()
    assert ref() is None


# ---- inference mode


def test_views_in_inference_mode(device):
    x = result(2, 3, device=device)
    with torch.inference_mode():
        v = x.view(-1)
        made = torch.ones(2, 3, device=device, requires_grad=True)
        assert v._is_view() and not v.is_inference() and made.is_inference()
        assert v.view(6)._base is x and not made.view(6)._is_view()
        x.add_(1)
        assert x.requires_grad and not x.is_inference()
    with pytest.raises(RuntimeError, match="created in inference mode and is being modified inplace in normal mode"):
        v.add_(2)
    with pytest.raises(RuntimeError, match="inference mode and its base or another view of its base has been"):
        v.grad_fn  # noqa: B018
    outside = made.view(-1)
    assert outside.is_inference() and not outside.requires_grad and outside.is_leaf and not outside._is_view()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        outside.add_(1)


# ---- attributes


def test_deletion(device):
    x = torch.ones(2, device=device, requires_grad=True)
    x.grad = torch.ones(2, device=device)
    del x.grad
    assert x.grad is None
    for name, message in (
        ("data", "Deleting tensor data is not allowed"),
        ("requires_grad", "requires_grad must be a bool"),
        ("_grad_fn", "Deletion of _grad_fn not allowed"),
        ("_backward_hooks", "Deletion of _backwards_hooks not allowed"),
    ):
        with pytest.raises(RuntimeError, match=message):
            delattr(x, name)
    with pytest.raises(TypeError, match="Variable data has to be a tensor"):
        x.data = None


def test_data_and_set_of_the_tensor_itself(device):
    x = torch.ones(3, device=device, requires_grad=True)
    version = x._version
    x.data = x
    assert x.tolist() == [1, 1, 1] and x.requires_grad and x._version == version
    y = torch.ones(3, device=device)
    y.set_(y)
    assert y.tolist() == [1, 1, 1]


def test_resize_counts_changes_only(device):
    x = torch.ones(1, device=device)
    x.resize_(1, 2)
    x.resize_as_(torch.ones(3, device=device))
    assert x._version == 2
    x.resize_(3).resize_as_(torch.ones(3, device=device))
    assert x._version == 2


def test_numpy_in_no_grad_mode(device):
    np = pytest.importorskip("numpy")
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        x.numpy()
    with torch.no_grad():
        assert isinstance(x.numpy(), np.ndarray)


# ---- the leaf is a view itself, so that its base requires no grad


class Part(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x[:1]

    @staticmethod
    def backward(ctx, g):
        return torch.cat([g, torch.zeros_like(g)])


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda x: x.unbind()[0], "Output 0 of Unbind is a view and its base"),
        (lambda x: x.split(1)[0][0], "of a view which was|Output 0 of Select|A view was|is a view and its base"),
        (Part.apply, "Output 0 of Part is a view and its base"),
    ],
)
def test_views_that_are_not_plain_are_refused_below_a_leaf_that_is_a_view(function, message, device):
    x = torch.arange(4.0, device=device).view(2, 2).requires_grad_()
    part = function(x)
    assert not part.is_leaf
    with torch.no_grad():
        x.add_(1)
    for ask in (lambda: part.is_leaf, lambda: part.grad_fn, lambda: part.sum(), lambda: part.backward(part)):
        with pytest.raises(RuntimeError, match=message):
            ask()
    assert part.grad is None


def test_views_under_no_grad_that_became_leaves(device):
    with torch.no_grad():
        x = torch.arange(4.0, device=device).view(2, 2).requires_grad_()
    v = x[0]
    assert not v.is_leaf
    with torch.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="no_grad mode and its base or another view of its base has been modified"):
        v.grad_fn.name()
    assert x.is_leaf


def test_views_of_many_may_become_leaves_after_a_change(device):
    x = torch.zeros(4, device=device)
    a, b = x.chunk(2)
    x.add_(1)
    a.requires_grad_()
    b.requires_grad = True
    assert a.requires_grad and b.requires_grad and a.is_leaf
    b.requires_grad_(False)
    assert not b.requires_grad
    part = Part.apply(x)
    x += torch.ones(4, requires_grad=True, device=device)
    part.requires_grad_(False)  # its own flag; what it asks for is up to its base
    x = torch.zeros(4, device=device)
    a, b = x.chunk(2)
    a.requires_grad_()
    x.add_(1)
    x.requires_grad_()
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        a.grad_fn.name()
    y = torch.ones(4, requires_grad=True, device=device) * 2
    with pytest.raises(RuntimeError, match="only change requires_grad flags of leaf"):
        y.chunk(2)[0].requires_grad = True


def test_integers_take_what_requires_grad_through_views_of_many(device):
    part = torch.zeros(4, dtype=torch.int32, device=device).chunk(2)[1]
    part.copy_(torch.full((2,), 3.0, requires_grad=True))
    part[0] = torch.tensor(1.5, requires_grad=True)
    assert part.tolist() == [1, 3] and not part.requires_grad


def test_data_decides_about_inference(device):
    with torch.inference_mode():
        x, y = torch.zeros(2, device=device), torch.zeros(2, device=device)
    x.data = torch.ones(2, device=device)
    assert not x.is_inference()
    x.add_(1)
    assert x.tolist() == [2.0, 2.0]
    x.data = y
    assert x.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.add_(1)
