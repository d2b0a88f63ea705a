"""The chart of docs/performance.md: horizontal bars, one panel a row of the bench, as SVG that follows the reader's
light or dark theme."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 150, 70
BAR, GAP = 18, 8
STYLE = """
  .page { fill: #ffffff } .panel { fill: #f6f7f9 }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2933 }
  .title { font-size: 19px; font-weight: 650 } .head { font-size: 14px; font-weight: 600 }
  .soft { fill: #66727f; font-size: 12px } .value { font-variant-numeric: tabular-nums }
  .ours { fill: #0b7a75 } .other { fill: #a9b4c0 } .floor { fill: #e0a030 }
  .line { stroke: #c07f12; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .strong { font-weight: 700 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12171d } .panel { fill: #1a2129 } text { fill: #e4e9ef } .soft { fill: #93a0ad }
    .ours { fill: #2fb5ad } .other { fill: #55626f } .floor { fill: #d69a35 } .line { stroke: #e8b65c }
  }
"""


def kind_of(name):
    return "ours" if name == "spate" else "floor" if name.startswith("floor") else "other"


class Drawing:
    def __init__(self):
        self.parts, self.y = [], 0

    def text(self, x, y, text, kind="", anchor="start"):
        self.parts.append('<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (
            x, y, kind, anchor, escape(text)))

    def bar(self, y, width, kind):
        self.parts.append('<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="3" class="%s"/>' % (
            LEFT, y, max(width, 2), BAR, kind))

    def panel(self, title, note, bars, form, length):
        """bars: (name, value); length: how long a value's bar is, in any unit. The floor, when there is one, is
        drawn as a line through all of them."""
        height = 56 + len(bars) * (BAR + GAP)
        self.parts.append('<rect x="16" y="%d" width="%d" height="%d" rx="10" class="panel"/>' % (
            self.y, WIDTH - 32, height))
        self.text(32, self.y + 26, title, "head")
        self.text(WIDTH - 32, self.y + 26, note, "soft", "end")
        scale = (WIDTH - LEFT - RIGHT - 16) / max(length(value) for _, value in bars)
        top = self.y + 42
        for i, (name, value) in enumerate(bars):
            y = top + i * (BAR + GAP)
            strong = " strong" if name == "spate" else ""
            self.text(LEFT - 10, y + 13.5, name, strong.strip(), "end")
            self.bar(y, length(value) * scale, kind_of(name))
            self.text(LEFT + length(value) * scale + 7, y + 13.5, form % value, "value" + strong)
        floors = [value for name, value in bars if kind_of(name) == "floor"]
        if floors:
            x = LEFT + length(min(floors)) * scale
            self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="line"/>' % (
                x, top - 4, x, top + len(bars) * (BAR + GAP) - 2))
        self.y += height + 14

    def svg(self):
        height = self.y + 10
        head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img">' % (
            WIDTH, height, WIDTH)
        page = '<rect width="%d" height="%d" class="page"/>' % (WIDTH, height)
        return "\n".join([head, "<style>%s</style>" % STYLE, page, *self.parts, "</svg>\n"])


def bars_of(record, name, key):
    """The contestants of a row with their figures, least first; None where the row is not there."""
    for row in record["rows"]:
        if row["name"] == name:
            found = [(who, entry[key]) for who, entry in row["entries"].items()
                     if key in entry and not who.endswith(" only")]
            floors = [bar for bar in found if kind_of(bar[0]) == "floor"]
            if floors:  # only the best one
                found = [bar for bar in found if kind_of(bar[0]) != "floor"]
                found.append(("floor", min(value for _, value in floors)))
            return sorted(found, key=lambda bar: bar[1])
    return None


PANELS = [
    ("download", "cpu", "Download: CPU seconds per GiB", "less is better; dashed: the floor", "%.2f", float),
    ("seed", "cpu", "Seed: CPU seconds per GiB", "less is better; dashed: the floor", "%.2f", float),
    ("first-piece", "first_piece_ms", "From the start to the first verified piece, milliseconds",
     "less is better; logarithmic", "%.0f", lambda ms: math.log10(max(ms, 11) / 10)),
]


def draw(record):
    drawing = Drawing()
    drawing.text(24, 38, "What a transfer costs", "title")
    drawing.text(24, 60, "%d MiB, one peer, plain TCP over loopback; medians of %d rounds; commit %s, %s" % (
        record["mib"], record["rounds"], record["commit"], record["date"]), "soft")
    drawing.y = 78
    for name, key, title, note, form, length in PANELS:
        bars = bars_of(record, name, key)
        if bars:
            drawing.panel(title, note, bars, form, length)
    return drawing.svg()
