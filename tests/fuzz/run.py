"""Runs random programs in both libraries, in child processes that may crash or hang.

    python tests/fuzz/run.py --programs 100000 --jobs 2 --seed 0

Prints every kind of difference with a short program that shows it; exits with 1 if there is one. A program is its seed:
`--seed 17 --programs 1` runs it again. `--subclasses` adds steps with tensor subclasses.
"""

import argparse
import collections
import gc
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import children

SHRUNK = 12  # examples that a batch shrinks of one kind


def work(first, last, report, beat, subclasses):
    """Runs the programs of the seeds and reports what they find."""
    import rushlight
    import torch

    from fuzz import grammar
    from fuzz.program import earlier_deviation, make_and_run, quiet, script, shrink
    from fuzz.session import Machine, Session

    quiet(rushlight, torch)
    if subclasses:
        grammar.add_subclasses()
    ours, theirs = Machine(rushlight), Machine(torch)
    worker = children.Worker(report, beat)
    Session.in_reference = worker.in_reference
    counts, deviations = collections.Counter(), collections.Counter()
    gc.freeze()
    for seed in range(first, last):
        worker.at(seed)
        steps, found, deviation = make_and_run(seed, ours, theirs)
        if deviation:
            deviations[deviation] += 1
        elif found:
            key = found.key
            if counts[key] == SHRUNK:
                worker.say(key=key, seed=seed)
                continue
            steps, found = shrink(steps, found, ours, theirs)
            if deviation := earlier_deviation(steps, ours, theirs):
                deviations[deviation] += 1
                continue
            counts[key] += 1
            worker.say(key=key, seed=seed, size=len(steps), script=script(steps, found, seed))
    worker.say(deviations=deviations)


def run(first, count, jobs, batch=1000, subclasses=False, show=print):
    """(findings by kind, deaths of children, deviations) of `count` programs."""
    entries, deaths = children.run(__file__, first, count, jobs, batch, ["--subclasses"] * subclasses, show)
    findings, deviations = collections.defaultdict(list), collections.Counter()
    deviations["torch crashes"] = sum("reference" in how for how, _ in deaths)
    deaths = [d for d in deaths if "reference" not in d[0]]
    for entry in entries:
        if "key" in entry:
            findings[entry["key"]].append(entry)
        else:
            deviations.update(entry["deviations"])
    return findings, deaths, deviations


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=100000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--batch", type=int, default=1000, help="programs of one child process")
    parser.add_argument("--subclasses", action="store_true")
    parser.add_argument("--output", help="a file for all findings, as JSON lines")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        first, last, report, beat = args.worker
        return work(int(first), int(last), report, beat, args.subclasses)
    start = time.monotonic()
    findings, deaths, deviations = run(args.seed, args.programs, args.jobs, args.batch, args.subclasses)
    speed = args.programs / (time.monotonic() - start)
    for key, entries in sorted(findings.items(), key=lambda item: -len(item[1])):
        shown = min((e for e in entries if "script" in e), key=lambda e: e["size"], default=None)
        print(f"\n=== {len(entries)} x {key}\n{shown['script'] if shown else entries[0]}")
    if args.output:
        with open(args.output, "w") as f:
            for entries in findings.values():
                f.writelines(json.dumps(e) + "\n" for e in entries)
    for cites, n in (+deviations).most_common():
        print(f"{n} programs end with a stated deviation: {cites}")
    print(
        f"{args.programs} programs, {speed:.0f} a second: {sum(map(len, findings.values()))} with a difference of "
        f"{len(findings)} kinds, {len(deaths)} crashes {[f'{how} at seed {seed}' for how, seed in deaths]}"
    )
    return 1 if findings or deaths else 0


if __name__ == "__main__":
    sys.exit(main())
