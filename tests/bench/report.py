"""The figures, collected and written as Markdown."""
import datetime, os, platform, statistics

# The ratio of wall time to BuildKit's that is aimed at, by situation and context.
TARGETS = {
    "cold": {"small": 0.3, "many files": 0.12, "multi-stage": 0.3, "deep": 0.2},
    "unchanged": {"small": 0.25, "many files": 0.3, "multi-stage": 0.2, "deep": 0.2},
    "touched": {"small": 0.5, "many files": 0.3, "multi-stage": 0.5, "deep": 0.3},
}


class Results:
    def __init__(self, runs):
        self.runs, self.samples, self.versions, self.plan, self.floor, self.scale = runs, {}, [], None, None, []
        self.left_out = []

    def add(self, context, situation, builder, figures):
        self.samples.setdefault((context, situation), {}).setdefault(builder, []).append(figures)
        self._last = figures

    def last(self):
        return "%.2f s, CPU %.2f s, %.0f MB" % self._last

    def markdown(self):
        with open("/proc/cpuinfo") as fh:
            model = next((line.split(":", 1)[1].strip() for line in fh if line.startswith("model name")), "unknown processor")
        lines = ["# Benchmarks", "",
                 f"Made by `make bench` on {datetime.date.today()}: {', '.join(self.versions)}; Linux {platform.release()}, {os.cpu_count()} cores ({model}).",
                 f"Every build ends with a push to a registry on loopback. Whole processes, a daemon's share included; medians of {self.runs}.",
                 "Cold: empty stores. Unchanged: the same build again. Touched: after one file of the context has changed.",
                 *([f"This run left out: {', '.join(self.left_out)}."] if self.left_out else []), ""]
        if self.samples:
            lines += self.builds()
        if self.plan:
            lines += [f"`windlass plan` of an ECR step with four plugins, whole process: {self.plan[0] * 1000:.1f} ms, {self.plan[2]:.0f} MB (goal: 25 ms, 40 MB).", ""]
        for title, header, rows in ([self.floor] if self.floor else []) + self.scale:
            lines += [f"## {title}", "", *table(header, rows), ""]
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "notes.md")) as fh:
            return "\n".join(lines) + "\n" + fh.read()

    def builds(self):
        builders = list(next(iter(self.samples.values())))
        header = ["context", "situation"] + [f"{b} wall / CPU s / MB" for b in builders]
        header += [f"ratio to {b}" for b in builders[1:]] + ["goal"]
        rows = []
        for (context, situation), by_builder in self.samples.items():
            medians = {b: [statistics.median(column) for column in zip(*values)] for b, values in by_builder.items()}
            own = medians[builders[0]]
            cells = ["%.2f / %.2f / %.0f" % tuple(medians[b]) for b in builders]
            ratios = ["%.2f" % (own[0] / medians[b][0]) for b in builders[1:]]
            rows.append([context, situation, *cells, *ratios, str(TARGETS[situation].get(context, ""))])
        return ["## Builds", "", *table(header, rows), "", "The goal is the ratio of wall time to BuildKit's.", ""]


def table(header, rows):
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)] + ["| " + " | ".join(row) + " |" for row in rows]
