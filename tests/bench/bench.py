#!/usr/bin/env python3
"""bench.py --bin PATH: whole builds with push, against buildah on the same machine in the same run.

Each figure is of the whole process tree: wall seconds, CPU seconds, and the peak memory of the largest process; medians of five.
Cold: empty stores. Unchanged: the same build again. Touched: after one file of the context has changed.
"""
import argparse, contextlib, datetime, json, os, platform, resource, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request
sys.dont_write_bytecode = True
import contexts

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--only", help="comma-separated context names")
    ap.add_argument("--no-peer", action="store_true", help="do not run buildah")
    ap.add_argument("--write", help="the Markdown file to write")
    ap.add_argument("--cache", default=os.path.join(HERE, "..", "..", "target", "bench-bases"))
    o = ap.parse_args()
    o.bin = os.path.abspath(o.bin)
    names = o.only.split(",") if o.only else list(contexts.ALL)
    work = tempfile.mkdtemp(prefix="windlass-bench-")
    try:
        with registry(work) as host:
            bases = {"busybox"} | ({"slim", "compiler"} if "multi-stage" in names else set())
            contexts.push_bases(os.path.abspath(o.cache), host, sorted(bases))
            builders = {"windlass": lambda *a: windlass(o.bin, *a)}
            if not o.no_peer:
                builders["buildah"] = buildah
            rows = [row for name in names for row in measure(name, builders, work, host, o.runs)]
            plan = measure_plan(o.bin, work, o.runs)
    finally:
        unmount_below(work)
        shutil.rmtree(work, ignore_errors=True)
    text = report(rows, plan, o)
    print(text)
    if o.write:
        with open(o.write, "w") as fh:
            fh.write(text)


# ---------------------------------------------------------------- builders

def windlass(binary, ctx, reference, store):
    return [[binary, "build", ctx, "-t", reference, "--push", "--store", store, "--progress", "quiet"]]


def buildah(ctx, reference, store):
    base = ["buildah", "--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "overlay"]
    return [base + ["build", "-q", "--isolation", "chroot", "--layers", "--tls-verify=false", "-t", reference, ctx],
            base + ["push", "-q", "--tls-verify=false", reference]]


# ---------------------------------------------------------------- measuring

def measure(name, builders, work, host, runs):
    """Rows (context, situation, builder, wall, cpu, memory), the builders in turn so that drift hits both."""
    ctx = os.path.join(work, "ctx-" + name.replace(" ", "-"))
    os.makedirs(ctx)
    touched = os.path.join(ctx, contexts.ALL[name](ctx, host))
    samples = {}
    for run in range(runs):
        for builder, command in builders.items():
            slug = f"{builder}-{name.replace(' ', '-')}"
            store, reference = os.path.join(work, "store-" + slug), f"{host}/{slug}-{run}:1"
            for situation in ("cold", "unchanged", "touched"):
                if situation == "touched":
                    with open(touched, "ab") as fh:
                        fh.write(b"/* %d */\n" % run if touched.endswith(".c") else b"touched %d\n" % run)
                samples.setdefault((situation, builder), []).append(timed(command(ctx, reference, store)))
            unmount_below(store)
            shutil.rmtree(store, ignore_errors=True)
    return [(name, situation, builder, *(statistics.median(column) for column in zip(*values)))
            for (situation, builder), values in samples.items()]


def measure_plan(binary, work, runs):
    """`windlass plan` of an ECR step with four plugins."""
    step = os.path.join(work, "step.yaml")
    with open(step, "w") as fh:
        fh.write('type: BuildAndPushECR\nidentifier: push\nname: push\nspec:\n  connectorRef: aws\n  region: us-east-1\n'
                 '  account: "123456789012"\n  imageName: app\n  tags: [latest]\n  context: ctx-plan\n  envVariables:\n    PLUGIN_AUTO_TAG: "true"\n')
    os.makedirs(os.path.join(work, "ctx-plan"), exist_ok=True)
    contexts.write(os.path.join(work, "ctx-plan"), "Dockerfile", "FROM scratch\nCOPY . /\n")
    command = [binary, "plan", step, "--policy", "base-images", "--format", "json"]
    timed([command], work)
    return [statistics.median(column) for column in zip(*(timed([command], work) for _ in range(max(runs, 11))))]


def timed(commands, cwd=None):
    wall, cpu, peak = 0.0, 0.0, 0
    for command in commands:
        with tempfile.TemporaryFile() as log:
            begin = time.monotonic()
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd,
                                 env=dict(os.environ, AWS_EC2_METADATA_DISABLED="true"))
            _, status, usage = os.wait4(p.pid, 0)
            wall += time.monotonic() - begin
            if status:
                log.seek(0)
                sys.exit(f"{' '.join(command)} failed:\n" + log.read().decode(errors="replace")[-2000:])
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    return wall, cpu, peak / 1024


def unmount_below(path):
    with open("/proc/self/mounts") as fh:
        points = [line.split()[1] for line in fh]
    for point in sorted((p for p in points if p.startswith(path)), reverse=True):
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def registry(work):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        host = "127.0.0.1:%d" % s.getsockname()[1]
    yml = os.path.join(work, "registry.yml")
    with open(yml, "w") as fh:
        fh.write("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n"
                 f"  filesystem: {{rootdirectory: {work}/registry}}\nhttp:\n  addr: {host}\n")
    p = subprocess.Popen(["docker-registry", "serve", yml], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{host}/v2/", timeout=2).read()
                break
            time.sleep(0.05)
        yield host
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()


# ---------------------------------------------------------------- report

def report(rows, plan, o):
    figures = {(r[0], r[1], r[2]): r[3:] for r in rows}
    names = list(dict.fromkeys(r[0] for r in rows))
    version = subprocess.run(["buildah", "--version"], stdout=subprocess.PIPE).stdout.decode().split(" (")[0].strip()
    own = subprocess.run([o.bin, "--version"], stdout=subprocess.PIPE).stdout.decode().strip()
    lines = ["# Benchmarks", "", f"Made by `make bench` on {datetime.date.today()}: {own}, {version}, Linux {platform.release()}, {os.cpu_count()} cores,",
             "every build with a push to a registry on loopback; whole processes, medians of " + str(o.runs) + ".", "",
             "| context | situation | windlass wall s | buildah wall s | ratio | windlass CPU s | buildah CPU s | windlass peak MB | buildah peak MB |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name in names:
        for situation in ("cold", "unchanged", "touched"):
            w, b = figures[name, situation, "windlass"], figures.get((name, situation, "buildah"))
            peer = ("%.2f" % b[0], "%.2f" % (w[0] / b[0]), "%.2f" % b[1], "%.0f" % b[2]) if b else ("-",) * 4
            lines.append(f"| {name} | {situation} | {w[0]:.2f} | {peer[0]} | {peer[1]} | {w[1]:.2f} | {peer[2]} | {w[2]:.0f} | {peer[3]} |")
    lines += ["", f"`windlass plan` of an ECR step with four plugins: {plan[0] * 1000:.1f} ms, {plan[2]:.0f} MB.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
