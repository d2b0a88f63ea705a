"""Counts single tests in Meson's logs and prints the closing line of `make check`.

    count.py PASSED FAILED testlog.json...

PASSED and FAILED are what the caller counted itself (builds and linters). A program that reports its
cases (cmocka's text, TAP, or Python's unittest) counts case by case; any other is one test. A program that failed without
naming a failed case (a crash, a leak, a time-out) is one failure more. A log that is absent is a failure:
nothing ran where something should have. With CI=true a skipped test is a failure.
"""

import json
import os
import re
import sys

CASES = [
    (re.compile(r"^\[ +OK +\] (.*)$", re.M), "passed"),
    (re.compile(r"^\[  FAILED  \] (?!.*\btest\(s\))(.*)$", re.M), "failed"),
    (re.compile(r"^\[  SKIPPED \] (?!.*\btest\(s\))(.*)$", re.M), "skipped"),
    (re.compile(r"^ok \d+\b(?!.*# SKIP)(.*)$", re.M), "passed"),
    (re.compile(r"^ok \d+\b(.*# SKIP.*)$", re.M), "skipped"),
    (re.compile(r"^not ok \d+\b(.*)$", re.M), "failed"),
]
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(.*)$", re.M)


def cases_of(test):
    """The numbers of passed, failed and skipped cases of one program."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    found = {"passed": set(), "failed": set(), "skipped": set()}
    for pattern, kind in CASES:
        found[kind].update(match.strip() for match in pattern.findall(text))
    # cmocka names failed cases twice, in place and in its summary.
    found["passed"] -= found["failed"]
    counts = {kind: len(names) for kind, names in found.items()}
    for ran, said in UNITTEST.findall(text):
        amounts = {word: int(amount) for word, amount in re.findall(r"(\w+)=(\d+)", said)}
        failed = amounts.get("failures", 0) + amounts.get("errors", 0)
        skipped = amounts.get("skipped", 0)
        counts["passed"] += max(int(ran) - failed - skipped, 0)
        counts["failed"] += failed
        counts["skipped"] += skipped
    result = test["result"]
    if result == "SKIP":
        counts["skipped"] = max(counts["skipped"], 1)
    elif result in ("OK", "EXPECTEDFAIL"):
        if sum(counts.values()) == 0:
            counts["passed"] = 1
    elif counts["failed"] == 0:
        counts["failed"] = 1
    return counts


def main():
    total = {"passed": int(sys.argv[1]), "failed": int(sys.argv[2]), "skipped": 0}
    for name in sys.argv[3:]:
        try:
            with open(name, encoding="utf-8") as log:
                lines = [line for line in log if line.strip()]
        except OSError:
            print(f"no test log {name}: nothing ran")
            total["failed"] += 1
            continue
        for line in lines:
            test = json.loads(line)
            counts = cases_of(test)
            for kind, count in counts.items():
                total[kind] += count
            if counts["failed"]:
                print(f"failed: {test['name']} ({test['result']}) in {os.path.dirname(os.path.dirname(name))}")
            if counts["skipped"]:
                print(f"skipped: {test['name']}")
    if os.environ.get("CI") == "true":
        total["failed"] += total.pop("skipped")
        total["skipped"] = 0
    line = f"{total['passed']} passed, {total['failed']} failed"
    if total["skipped"]:
        line += f", {total['skipped']} skipped"
    print(line)
    sys.exit(1 if total["failed"] or not total["passed"] else 0)


main()
