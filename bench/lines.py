#!/usr/bin/env python3
"""How much Rust each framework is of its own: what it needs beside the SDK.

Counts the lines of its crate's src/ that are neither blank nor comment, without what is compiled for tests only, whether
in line (`#[cfg(test)] mod tests { … }`) or in files of its own (`#[cfg(test)] mod real;`). Templates are not Rust and so
not counted. A part of `make bench`; `bench/lines.py CRATE…` counts file by file.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 500

# Strings, characters and comments: in the first two, braces and slashes mean nothing; the last are what is left out.
TOKEN = re.compile(
    r'''r(?P<hash>\#+)".*?"(?P=hash) | r"[^"]*" | "(?:\\.|[^"\\])*" | '(?:\\.[^']*|[^'\\])' | //[^\n]* | /\*.*?\*/''',
    re.DOTALL | re.VERBOSE,
)
TEST_ONLY = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\n]*\]\s*)*")
FILE_OF_ITS_OWN = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\n]*\]\s*)*(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+)\s*;")


def bare(text):
    """The text without comments, and with strings that keep nothing but their lines."""

    def replace(match):
        token = match[0]
        lines = "\n" * token.count("\n")
        return lines if token.startswith(("//", "/*")) else '"' + lines.replace("\n", "_\n") + '"'

    return TOKEN.sub(replace, text)


def end_of_item(text, start):
    """Where the item that starts here ends: at its closing brace, or at a semicolon before any brace."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at + 1
        elif text[at] == ";" and depth == 0:
            return at + 1
    return len(text)


def without_tests(text):
    kept, at = "", 0
    while match := TEST_ONLY.search(text, at):
        kept += text[at : match.start()]
        at = end_of_item(text, match.end())
    return kept + text[at:]


def lines(path):
    return sum(1 for line in without_tests(bare(path.read_text())).splitlines() if line.strip())


def test_files(path):
    """Files and folders that the module in `path` has for tests only."""
    folder = path.parent if path.name in ("lib.rs", "main.rs", "mod.rs") else path.with_suffix("")
    for name in FILE_OF_ITS_OWN.findall(bare(path.read_text())):
        yield folder / f"{name}.rs"
        yield folder / name


def count(crate):
    """Lines by file."""
    sources = sorted((crate / "src").rglob("*.rs"))
    left_out = {test for path in sources for test in test_files(path)}
    return {path: lines(path) for path in sources if not left_out & {path, *path.parents}}


def frameworks():
    """Lines by framework."""
    crates = sorted(path.parent for path in (ROOT / "frameworks").glob("*/Cargo.toml"))
    return {crate.name: sum(count(crate).values()) for crate in crates}


if __name__ == "__main__":
    for crate in map(Path, sys.argv[1:] or sorted((ROOT / "frameworks").iterdir())):
        counted = count(crate)
        for path, number in counted.items():
            print(f"{number:>6} {path}")
        print(f"{sum(counted.values()):>6} {crate}, at most {MOST} for a framework")
