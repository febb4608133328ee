"""Calls that type checkers must report: each line that ends in `# wrong`, and no other."""

import rushlight as torch
from rushlight import Tensor, nn, optim

x = torch.ones(2, 3)

x.reshape("2")  # wrong
x.no_such_method()  # wrong
x.sum(dimension=1)  # wrong
x["a"]  # wrong
x + "a"  # wrong
x.shape.numel(1)  # wrong
size: str = x.size(0)  # wrong
text: str = x.max(dim=1).values  # wrong
x.max(dim=1).value  # wrong
top: int = torch.topk(x, 1)  # wrong
flag: str = torch.equal(x, x)  # wrong
number: int = x.relu()  # wrong
x.to(requires_grad=True)  # wrong
x.requires_grad = "yes"  # wrong
x.shape = (3, 2)  # wrong
torch.zeros("2")  # wrong
torch.cat(x, dim="0")  # wrong
torch.no_such_function(x)  # wrong
torch.float32.size  # wrong
torch.save(x)  # wrong
torch.special.no_such_function(x)  # wrong
torch.manual_seed([1])  # wrong
nn.Linear(2)  # wrong
nn.Linear("2", 3)  # wrong
nn.NoSuchLayer(2)  # wrong
nn.Dropout(p="half")  # wrong
nn.functional.mse_loss(x)  # wrong
nn.functional.no_such_loss(x)  # wrong
nn.utils.clip_grad_norm_(x, "1")  # wrong
optim.SGD([x], lr="fast")  # wrong
optim.NoSuchOptimizer([x])  # wrong
optim.Adam([x], momentum=0.9)  # wrong
torch.autograd.grad(x)  # wrong
torch.autograd.no_such_name  # wrong

right: Tensor = x.max(dim=1).values + x.size(0) * x[0, 0].item()
