"""`python -m bedplate.generate`: write everything that follows from the descriptors."""

import argparse
import pathlib


def main() -> None:
    """Read a descriptor set and write the generated files below a folder."""
    parser = argparse.ArgumentParser(prog="python -m bedplate.generate")
    parser.add_argument("--descriptors", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.parse_args()


if __name__ == "__main__":
    main()
