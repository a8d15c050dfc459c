"""What grows with the input, and how: files, layers, bytes in a layer, builds at once, users without root."""
import os, shutil, statistics, subprocess, time
import builders, contexts


def measure(binary, work, host, runs):
    """Tables as (title, header, rows)."""
    bench = Bench(binary, work, host, runs)
    try:
        return [bench.files(), bench.layers(), bench.bytes(), bench.untouched_base(), bench.at_once(), bench.rootless()]
    finally:
        bench.builder.close()


class Bench:
    def __init__(self, binary, work, host, runs):
        self.binary, self.work, self.host, self.runs = binary, work, host, runs
        self.builder = builders.Windlass(binary, work)

    def context(self, name, dockerfile):
        path = os.path.join(self.work, "scale-" + name)
        shutil.rmtree(path, ignore_errors=True)
        contexts.write(path, "Dockerfile", dockerfile)
        return path

    def cold_and_unchanged(self, context, name, most=3):
        samples = {"cold": [], "unchanged": []}
        for run in range(min(self.runs, most)):
            self.builder.forget()
            for figures in samples.values():
                figures.append(self.builder.build(context, f"{self.host}/{name}-{run}:1"))
        shutil.rmtree(context)
        return [cell(values) for values in samples.values()]

    def files(self):
        rows = []
        for count in (1_000, 10_000, 100_000, 1_000_000):
            # The disk takes minutes for each round of the largest.
            is_largest = count > 100_000
            context = self.context(f"{count}-files", f"FROM {self.host}/busybox:1\nCOPY files /files\n")
            for n in range(count):
                contexts.write(context, f"files/{n // 500:04}/{n:06}.txt", f"file {n}\n" * 40)
            figures = self.cold_and_unchanged(context, f"files-{count}", 1 if is_largest else 3)
            rows.append([f"{count:,}" + (" (one run)" if is_largest else ""), *figures])
        return "Files in the context", ["files", "cold: wall / CPU s / MB", "unchanged: wall / CPU s / MB"], rows

    def layers(self):
        rows = []
        for count in (10, 50, 120):
            steps = "".join(f"RUN echo {n} > /step{n}\n" for n in range(count))
            context = self.context(f"{count}-layers", f"FROM {self.host}/busybox:1\n{steps}")
            rows.append([str(count), *self.cold_and_unchanged(context, f"layers-{count}")])
        return "RUN steps", ["steps", "cold: wall / CPU s / MB", "unchanged: wall / CPU s / MB"], rows

    def bytes(self):
        rows = []
        for megabytes in (250, 1000, 2000):
            context = self.context(f"{megabytes}-mb", f"FROM {self.host}/busybox:1\nCOPY big /big\n")
            with open(os.path.join(context, "big"), "wb") as fh:
                for _ in range(megabytes):
                    fh.write(os.urandom(500_000) + b"words of text " * (500_000 // 14))
            rows.append([f"{megabytes:,} MB", *self.cold_and_unchanged(context, f"bytes-{megabytes}")])
        return "One layer", ["size", "cold: wall / CPU s / MB", "unchanged: wall / CPU s / MB"], rows

    def untouched_base(self):
        """A stage that only copies, on the compiler's base, which the destination's registry has."""
        rows = []
        cache = ["--cache-repo", f"{self.host}/cache"]
        for flag, options in (("--link ", []), ("", cache), ("", [])):
            context = self.context("base", f"FROM {self.host}/compiler:1\nCOPY {flag}hello.txt /\n")
            if options:
                # Another machine has built it before, with another file.
                contexts.write(context, "hello.txt", "good day\n")
                self.builder.forget()
                self.builder.build(context, f"{self.host}/on-base:before", options)
            contexts.write(context, "hello.txt", "hello\n")
            self.builder.forget()
            before = moved()
            wall, cpu, peak = self.builder.build(context, f"{self.host}/on-base:after", options)
            kilobytes = (moved() - before) / 1000
            shutil.rmtree(context)
            how = f"`COPY {flag}hello.txt /`" + (", with `--cache-repo`" if options else "")
            rows.append([how, "%.2f / %.2f / %.0f" % (wall, cpu, peak), f"{kilobytes:.0f} kB"])
        return ("COPY on a base of 240 MB that the registry has",
                ["instruction", "wall / CPU s / MB", "moved over loopback, both ways"], rows)

    def at_once(self):
        """Twenty builds on one store, one after another and at once."""
        made = []
        for n in range(20):
            context = self.context(f"once-{n}", f"FROM {self.host}/busybox:1\nCOPY hello.txt /\nRUN echo {n % 10} > /n\nRUN sleep 0\n")
            contexts.write(context, "hello.txt", f"hello {n % 5}\n")
            made.append(context)
        self.builder.forget()
        commands = lambda: [self.builder.commands(context, f"{self.host}/once-{n}:1")[0] for n, context in enumerate(made)]
        begin = time.monotonic()
        for command in commands():
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        one_by_one = time.monotonic() - begin
        self.builder.forget()
        begin = time.monotonic()
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands()]
        failed = [process for process in running if process.wait()]
        at_once = time.monotonic() - begin
        for context in made:
            shutil.rmtree(context)
        return "Twenty builds on one store", ["one after another", "at once", "failed"], [[f"{one_by_one:.2f} s", f"{at_once:.2f} s", str(len(failed))]]

    def rootless(self):
        """The same builds as `nobody`, who has one id, and as root, in turn."""
        rows = []
        for name in ("small", "many files", "deep"):
            context = os.path.join(self.work, "rootless")
            shutil.rmtree(context, ignore_errors=True)
            os.makedirs(context)
            contexts.ALL[name](context, self.host)
            home = os.path.join(self.work, "nobody")
            os.makedirs(home, exist_ok=True)
            copy = shutil.copy(self.binary, os.path.join(home, "windlass"))
            for path in (home, copy):
                os.chown(path, 65534, 65534)
            nobody = builders.Windlass(copy, home, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "env", "HOME=" + home])
            samples = {"root": [], "nobody": []}
            for run in range(self.runs):
                for builder, who in ((self.builder, "root"), (nobody, "nobody")):
                    builder.forget()
                    samples[who].append(builder.build(context, f"{self.host}/{who}-{run}:1"))
            nobody.close()
            wall = {who: statistics.median(v[0] for v in values) for who, values in samples.items()}
            rows.append([name, cell(samples["root"]), cell(samples["nobody"]), "%.2f" % (wall["nobody"] / wall["root"])])
            shutil.rmtree(context)
        return "Without root (one id), cold", ["context", "root: wall / CPU s / MB", "nobody: wall / CPU s / MB", "ratio"], rows


def cell(values):
    return "%.2f / %.2f / %.0f" % tuple(statistics.median(column) for column in zip(*values))


def moved():
    """Bytes that have gone over the loopback interface."""
    with open("/sys/class/net/lo/statistics/rx_bytes") as fh:
        return int(fh.read())
