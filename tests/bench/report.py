"""The figures, collected and written as Markdown."""
import datetime, json, os, platform, statistics

# The ratio of wall time to BuildKit's that is aimed at, by situation and context.
TARGETS = {
    "cold": {"small": 0.3, "many files": 0.12, "multi-stage": 0.3, "deep": 0.2},
    "unchanged": {"small": 0.25, "many files": 0.3, "multi-stage": 0.2, "deep": 0.2},
    "touched": {"small": 0.5, "many files": 0.3, "multi-stage": 0.5, "deep": 0.3},
}


class Results:
    """The figures of this run, over those of runs before it, which stay where this one has none."""

    def __init__(self, runs, path):
        self.runs, self.path = runs, path
        self.samples, self.days, self.versions, self.plan, self.call, self.floor, self.scale = {}, [], [], None, None, None, []
        if os.path.exists(path):
            with open(path) as fh:
                known = json.load(fh)
            self.samples = {tuple(key): values for key, values in known.pop("samples")}
            vars(self).update(known)
        self.days = sorted({*self.days, str(datetime.date.today())})

    def forget(self, context):
        self.samples = {key: values for key, values in self.samples.items() if key[0] != context}

    def save(self):
        names = ("days", "versions", "plan", "call", "floor", "scale")
        with open(self.path, "w") as fh:
            json.dump({"samples": list(self.samples.items()), **{name: getattr(self, name) for name in names}}, fh)

    def add(self, context, situation, builder, figures):
        self.samples.setdefault((context, situation), {}).setdefault(builder, []).append(figures)
        self._last = figures

    def last(self):
        return "%.2f s, CPU %.2f s, %.0f MB" % self._last

    def markdown(self):
        with open("/proc/cpuinfo") as fh:
            model = next((line.split(":", 1)[1].strip() for line in fh if line.startswith("model name")), "unknown processor")
        lines = ["# Benchmarks", "",
                 f"Made by `make bench` on {', '.join(self.days)}: {', '.join(self.versions)}; Linux {platform.release()}, {os.cpu_count()} cores ({model}).",
                 f"Every build ends with a push to a registry on loopback. Whole processes, a daemon's share included; medians of {self.runs}.",
                 "Cold: empty stores. Unchanged: the same build again. Touched: after one file of the context has changed.",
                 ""]
        if self.samples:
            lines += self.builds()
        if self.plan:
            lines += [f"`windlass plan` of an ECR step with four plugins, whole process: {self.plan[0] * 1000:.1f} ms, {self.plan[2]:.0f} MB (goal: 25 ms, 40 MB).", ""]
        if self.call:
            lines += [f"A plugin that is loaded from its precompiled form, linked, instantiated twice and called twice: {self.call:.2f} ms (goal: 1 ms a call).", ""]
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
