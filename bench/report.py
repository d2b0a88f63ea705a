"""From figures to what people read: medians, ratios, a table, JSON, and the page docs/performance.md."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

import rows
from contestants import CONTESTANTS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20


def brief(row, figures):
    text = []
    if "cpu" in figures:
        text.append("%6.2f s/GiB" % figures["cpu"])
    if "rate" in figures:
        text.append("%6.0f MiB/s" % figures["rate"])
    return " ".join(text)


# ---- the record -----------------------------------------------------------------------------------


def medians(samples):
    """The median of every figure over the rounds."""
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def is_floor(name):
    return name.startswith("floor")


def summarise(row, results):
    """A row of the record: medians and ratios."""
    entries = {name: medians(samples) for name, samples in results.items()}
    floors = [e["cpu"] for name, e in entries.items() if is_floor(name) and "cpu" in e]
    others = [e["cpu"] for name, e in entries.items() if name in rows.OTHERS and "cpu" in e]
    for entry in entries.values():
        if floors and "cpu" in entry:
            entry["to_floor"] = entry["cpu"] / min(floors)
        if others and "cpu" in entry:
            entry["to_best_other"] = entry["cpu"] / min(others)
    return {"name": row.name, "title": row.title, "kind": row.kind, "net": row.net, "base": row.base,
            "entries": entries, "samples": results}


def git(*words):
    done = subprocess.run(["git", "-C", ROOT, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def make(bench, seconds):
    dirty = git("status", "--porcelain", "--untracked-files=no")
    found = [summarise(row, bench.results[row.name]) for row in bench.rows if row.name in bench.results]
    by_name = {row["name"]: row for row in found}
    for row in found:
        for name, entry in row["entries"].items():
            base = by_name.get(row["base"], {}).get("entries", {}).get(name)
            if base:
                entry["to_base"] = entry["cpu"] / base["cpu"]
    named = {name for row in found for name in row["entries"]}
    return {"commit": git("rev-parse", "--short=12", "HEAD") + (" with changes" if dirty else ""),
            "date": time.strftime("%Y-%m-%d"), "command": "make bench" + (" QUICK=1" if bench.quick else ""),
            "rounds": bench.rounds, "mib": bench.mib, "seconds": round(seconds),
            "machine": "%d x %s, Linux %s" % (os.cpu_count(), processor(), platform.release()),
            "congestion_control": "cubic", "settings": {name: make().settings for name, make in CONTESTANTS.items()
                                                        if name in named},
            "rows": found, "failures": bench.failures, "absent": bench.absent}


# ---- text -----------------------------------------------------------------------------------------


def cell(entry, key, form, scale=1):
    return form % (entry[key] / scale) if key in entry else "-"


def cpu_lines(row):
    """Header and lines of a row that measures CPU per GiB."""
    head = ["", "CPU s/GiB", "user", "system", "x floor", "x best other", "machine s/GiB", "MiB/s", "RssAnon MiB",
            "RSS MiB"]
    if row["base"]:
        head.insert(6, "x " + row["base"])
    lines = [head]
    for name, entry in row["entries"].items():
        line = [name, cell(entry, "cpu", "%.2f"), cell(entry, "user", "%.2f"), cell(entry, "system", "%.2f"),
                cell(entry, "to_floor", "%.2f"), cell(entry, "to_best_other", "%.2f"), cell(entry, "machine", "%.2f"),
                cell(entry, "rate", "%.0f"), cell(entry, "anon_bytes", "%.1f", MIB),
                cell(entry, "rss_bytes", "%.1f", MIB)]
        if row["base"]:
            line.insert(6, cell(entry, "to_base", "%.2f"))
        lines.append(line)
    return lines


LINES = {"download": cpu_lines, "seed": cpu_lines}


def columns(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        first = line[0].ljust(widths[0])
        yield "  ".join([first] + [text.rjust(width) for text, width in zip(line[1:], widths[1:])])


def show(record):
    print("\n%s: commit %s, %s\n%s; %d MiB, %d rounds, medians; TCP congestion control %s; %d s in all\n" % (
        record["command"], record["commit"], record["date"], record["machine"], record["mib"], record["rounds"],
        record["congestion_control"], record["seconds"]))
    for row in record["rows"]:
        print("%s (%s)" % (row["title"], row["name"]))
        for line in columns(LINES[row["kind"]](row)):
            print("    " + line)
        print()
    for name, text in record["settings"].items():
        print("%-18s %s" % (name, text))
    for failure in record["failures"]:
        print("FAILED: %(row)s, %(who)s, round %(round)d: %(why)s" % failure)
    sys.stdout.flush()


def save(record, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.write("\n")
