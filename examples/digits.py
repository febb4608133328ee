"""Train a two-layer network on 8 x 8 handwritten digits and show what it misreads.

    python examples/digits.py --out digits-out      # trains; writes loss.png and misread.png
    python examples/digits.py --compare torch       # the same training with PyTorch, timed side by side

The data are the 1,797 UCI digits that come with scikit-learn. The file runs with PyTorch too: change the next
import to ``import torch``. Needs numpy and scikit-learn; matplotlib for the pictures, tqdm for the progress bar.
"""

import argparse
import importlib
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import rushlight as torch

Data = namedtuple("Data", "train_x train_y test_x test_y")
Run = namedtuple("Run", "model data losses seconds accuracy")

TEST_DIGITS = 360
TOLERANCE = 1e-4  # between the losses of two libraries


def load_digits():
    """Images (1797, 64) float32 in [0, 1] and labels (1797,) int64, as NumPy arrays."""
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    return (images / 16).astype(np.float32), labels.astype(np.int64)


def split(torch, images, labels):
    """Tensors of a random training and test set; the seed of ``torch`` decides which digits."""
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    order = torch.randperm(len(x))
    test, train = order[:TEST_DIGITS], order[TEST_DIGITS:]
    return Data(x[train], y[train], x[test], y[test])


def progress(steps, wanted):
    """``steps`` with a progress bar, where tqdm is installed."""
    if wanted:
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            return tqdm(steps, unit="epoch")
    return steps


def train(torch, images, labels, *, epochs, batch_size, lr, hidden, seed, bar=False):
    """Train with ``torch``, the module that offers the tensors; seconds are those of the training loop alone."""
    nn = torch.nn
    torch.manual_seed(seed)
    data = split(torch, images, labels)
    model = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)

    losses = []
    start = time.perf_counter()
    for _ in progress(range(epochs), bar):
        order = torch.randperm(len(data.train_x))
        for batch in order.split(batch_size):
            loss = loss_fn(model(data.train_x[batch]), data.train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    seconds = time.perf_counter() - start

    accuracy = (predict(torch, model, data.test_x) == data.test_y).float().mean().item()
    return Run(model, data, losses, seconds, accuracy)


def predict(torch, model, images):
    """The most likely digit of each image: (n, 64) -> (n,)."""
    with torch.no_grad():
        return model(images).argmax(dim=1)


def compare(reference_name, images, labels, options, repeats=3):
    """Train with both libraries on one thread, check that the losses agree, and print the times."""
    libraries = {torch.__name__: torch, reference_name: importlib.import_module(reference_name)}
    for library in libraries.values():
        library.set_num_threads(1)
        train(library, images, labels, **{**options, "epochs": 1})  # the first use of anything is slow
    # Taken in turns, so that a slow moment of the machine does not fall on one of the two.
    runs = {name: [] for name in libraries}
    for _ in range(repeats):
        for name, library in libraries.items():
            runs[name].append(train(library, images, labels, **options))

    ours, theirs = (runs[name][0] for name in libraries)
    # Rounding decides on which side of a ReLU's corner a value near 0 falls, and training carries that on: for some
    # options two correct libraries part after some epochs. A mistake parts them in the first steps.
    differences = np.abs(np.subtract(ours.losses, theirs.losses))
    apart = np.flatnonzero(differences > TOLERANCE)
    assert not apart.size, (
        f"the losses differ by up to {differences.max():.1e}, more than {TOLERANCE} from step {apart[0]}"
    )
    print(f"largest difference of {len(ours.losses)} losses: {differences.max():.1e}")
    best = {name: min(run.seconds for run in runs[name]) for name in libraries}
    for name, seconds in best.items():
        step = seconds / len(ours.losses)
        print(f"{name:>10}: {seconds:6.3f} s for the training loop, {step * 1e6:5.0f} us a step (best of {repeats})")
    ratio = best[torch.__name__] / best[reference_name]
    print(f"     ratio: {torch.__name__} takes {ratio:.2f} x the time of {reference_name}")
    return ours


def plot_losses(losses, epochs, accuracy, path):
    """The loss of every mini-batch, and its mean over each epoch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps_per_epoch = len(losses) // epochs
    at_step = (np.arange(len(losses)) + 1) / steps_per_epoch
    epoch_means = np.reshape(losses, (epochs, steps_per_epoch)).mean(axis=1)

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.semilogy(at_step, losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="mini-batch")
    axes.semilogy(
        np.arange(epochs) + 0.5, epoch_means, color="tab:blue", marker="o", markersize=3, label="mean of the epoch"
    )
    axes.set_xlim(0, epochs)
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross entropy")
    axes.set_title(f"Training loss (test accuracy {accuracy:.1%})")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_misread(torch, run, path, columns=6, most=24):
    """A grid of test digits that the model reads wrongly. Returns how many there are."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    predicted = predict(torch, run.model, run.data.test_x)
    wrong = (predicted != run.data.test_y).nonzero().flatten()
    count = len(wrong)
    shown = min(count, most)
    rows = max(1, -(-shown // columns))
    images = run.data.test_x[wrong].numpy().reshape(-1, 8, 8)
    true, read = run.data.test_y[wrong].tolist(), predicted[wrong].tolist()

    figure, grid = plt.subplots(
        rows, columns, figsize=(1.5 * columns, 1.8 * rows + 0.5), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[shown:]:
        axes.set_axis_off()
    for axes, image, label, guess in zip(grid.flat, images, true, read):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"true {label}, read {guess}", fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("lightgray")
    of_which = "" if shown == count else f", the first {shown}"
    figure.suptitle(f"{count} of {len(run.data.test_y)} test digits misread{of_which}")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return count


def main(argv=None):
    # Defaults: good on validation digits taken from the training set, and rounding alone does not part two libraries.
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training set")
    parser.add_argument("--batch-size", type=int, default=16, help="images in a step")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate")
    parser.add_argument("--hidden", type=int, default=128, help="units of the hidden layer")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order")
    parser.add_argument("--out", type=Path, default=Path("digits-out"), help="folder of the pictures")
    parser.add_argument("--compare", metavar="MODULE", help="train with this module too, e.g. torch, and compare")
    parser.add_argument("--no-plots", action="store_true", help="write no pictures")
    args = parser.parse_args(argv)
    for name in ("epochs", "batch_size", "hidden"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")

    images, labels = load_digits()
    options = {name: getattr(args, name) for name in ("epochs", "batch_size", "lr", "hidden", "seed")}
    if args.compare:
        run = compare(args.compare, images, labels, options)
    else:
        run = train(torch, images, labels, **options, bar=True)
    print(f"loss {np.mean(run.losses[-10:]):.4f}, test accuracy {run.accuracy:.2%}, {run.seconds:.2f} s of training")

    if not args.no_plots:
        args.out.mkdir(parents=True, exist_ok=True)
        plot_losses(run.losses, args.epochs, run.accuracy, args.out / "loss.png")
        plot_misread(torch, run, args.out / "misread.png")
        print(f"wrote {args.out / 'loss.png'} and {args.out / 'misread.png'}")
    return run


if __name__ == "__main__":
    main()
