"""Runs the cases against a gateway that is already running, ours or another; see README.md."""

import argparse
import sys
from collections import Counter

from tests.gateway.conformance.cases import read
from tests.gateway.conformance.run import Run, Target


def main() -> int:
    """Print what passes and what does not; 1 when anything does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.conformance", description=__doc__)
    parser.add_argument("--target", required=True, help="where it listens, host:port")
    parser.add_argument("--name", default="other", help="by which cases name it; default: other")
    parser.add_argument("--group", default="", help="one group only, such as routes")
    parser.add_argument("--key", default="conformance-key", help="the caller's key")
    parser.add_argument(
        "--house",
        action="store_true",
        help="check what bedplate keeps in every answer and other gateways need not",
    )
    given = parser.parse_args()
    target = Target(given.name, given.target, given.key, given.house)
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for case in read(given.group):
        if not case.holds_for(target.name):
            continue
        found = Run(target, case).failures()
        (failed if found else passed)[case.group] += 1
        print(f"{'FAIL' if found else 'pass'}  {case.id}")
        for sentence in found:
            print(f"      {sentence}")
    print()
    for group in sorted({*passed, *failed}):
        print(f"{group:<24} {passed[group]:>4} pass {failed[group]:>4} fail")
    print(f"{'all':<24} {passed.total():>4} pass {failed.total():>4} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
