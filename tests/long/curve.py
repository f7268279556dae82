"""The curve of a soak as SVG, from its samples: resident memory, what is open, what runs, the log and processor time, over the minutes."""

import csv
import math
import sys
from collections import defaultdict

WIDTH, LEFT, RIGHT, TOP, HEIGHT, GAP = 940, 70, 20, 40, 150, 34
COLOURS = ["#d3222a", "#1f6fb4", "#7a3fb0", "#b07a00"]
# from here on it has to be flat
SETTLE = 10


def per_minute(rows, field):
    """How much it grew in the minute before each sample."""
    for at, row in enumerate(rows):
        before = next(other for other in rows if other["second"] >= row["second"] - 60)
        seconds = row["second"] - before["second"]
        if at and seconds >= 50:
            yield row["second"], (row[field] - before[field]) * 60 / seconds


PANELS = [
    ("resident memory, KiB", lambda rows: [(row["second"], row["rss"]) for row in rows]),
    ("descriptors", lambda rows: [(row["second"], row["descriptors"]) for row in rows]),
    ("children", lambda rows: [(row["second"], row["children"]) for row in rows]),
    ("lines of the log a minute", lambda rows: list(per_minute(rows, "lines"))),
    ("processor time, seconds a minute", lambda rows: [(second, value / 100) for second, value in per_minute(rows, "processor")]),
]


def nice(highest):
    """A round number not below it."""
    step = 10 ** math.floor(math.log10(highest))
    return next(n * step / 2 for n in range(1, 21) if n * step / 2 >= highest)


def main(path):
    agents = defaultdict(list)
    with open(path) as samples:
        for row in csv.DictReader(samples):
            agents[row.pop("agent")].append({key: int(value) for key, value in row.items()})
    end = max(row["second"] for rows in agents.values() for row in rows)
    x = lambda second: LEFT + second / end * (WIDTH - LEFT - RIGHT)
    height = TOP + len(PANELS) * (HEIGHT + GAP) + 6
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for place, (agent, colour) in enumerate(zip(agents, COLOURS)):
        out.append(f'<circle cx="{LEFT + 5 + place * 110}" cy="12" r="5" fill="{colour}"/><text x="{LEFT + 14 + place * 110}" y="16">{agent}</text>')
    for place, (title, values) in enumerate(PANELS):
        top = TOP + place * (HEIGHT + GAP)
        curves = {agent: values(rows) for agent, rows in agents.items()}
        highest = nice(max((value for curve in curves.values() for _, value in curve), default=1) or 1)
        y = lambda value: top + HEIGHT - value / highest * HEIGHT
        out.append(f'<text x="{LEFT}" y="{top - 6}">{title}</text>')
        for part in (0, 0.5, 1):
            at = y(highest * part)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:g}" y2="{at:g}" stroke="#dddddd"/>')
            out.append(f'<text x="{LEFT - 8}" y="{at + 4:g}" text-anchor="end">{highest * part:g}</text>')
        for minute in range(0, end // 60 + 1, 5 if end < 2400 else 10):
            stroke = "#444444" if minute == SETTLE else "#eeeeee"
            out.append(f'<line x1="{x(minute * 60):.1f}" x2="{x(minute * 60):.1f}" y1="{top}" y2="{top + HEIGHT}" stroke="{stroke}"/>')
            out.append(f'<text x="{x(minute * 60):.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{minute}</text>')
        for curve, colour in zip(curves.values(), COLOURS):
            points = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in curve)
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    print(*out, "</svg>", sep="\n")


main(sys.argv[1])
