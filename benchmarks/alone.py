"""A few training steps alone in their process, for its peak memory: python -m benchmarks.alone ours|plain|fused."""

from __future__ import annotations

import argparse

from benchmarks import workload
from benchmarks.training import FUSED, OURS, PLAIN, trainings
from peprank.cli.process import settle

_STEPS = 3


def main() -> None:
    """Make the named training and a few updates."""
    settle()  # as `peprank` does for itself
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=(OURS, PLAIN, FUSED))
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    plan = workload.taobao(quick=args.quick).plan()
    training = trainings(plan)[args.name]()
    for batch in workload.batches(plan, _STEPS):
        training.update(batch)


if __name__ == "__main__":
    main()
