#!/usr/bin/env python3
"""bench.py --bin PATH: whole builds with push to a registry on loopback, against other builders on the same machine in the same run.

Each figure is of whole processes: wall seconds, CPU seconds (a daemon's included), and the peak memory of the largest process; medians.
Cold: empty stores. Unchanged: the same build again. Touched: after one file of the context has changed.
"""
import argparse, contextlib, os, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request
sys.dont_write_bytecode = True
import builders, contexts, floor, report, scale

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--only", help="comma-separated context names")
    ap.add_argument("--peers", default="BuildKit,buildah", help="comma-separated, of BuildKit and buildah; or empty")
    ap.add_argument("--parts", default="builds,plan,floor,scale", help="comma-separated, of builds, plan, floor and scale")
    ap.add_argument("--write", help="the Markdown file to write")
    ap.add_argument("--results", default=os.path.join(HERE, "..", "..", "target", "bench-results.json"),
                    help="keeps figures, so that a run of some parts leaves the others in place")
    ap.add_argument("--cache", default=os.path.join(HERE, "..", "..", "target", "bench-bases"))
    o = ap.parse_args()
    o.bin = os.path.abspath(o.bin)
    parts = o.parts.split(",")
    names = o.only.split(",") if o.only else list(contexts.ALL)
    work = tempfile.mkdtemp(prefix="windlass-bench-")
    os.chmod(work, 0o755)
    results = report.Results(o.runs, o.results)
    try:
        with registry(work) as host:
            whole = "multi-stage" in names or not {"scale", "floor"}.isdisjoint(parts)
            bases = {"busybox"} | ({"slim", "compiler"} if whole else set())
            contexts.push_bases(os.path.abspath(o.cache), host, sorted(bases))
            if "builds" in parts:
                measure_builds(results, names, o, work, host)
            if "plan" in parts:
                results.plan = measure_plan(o.bin, work)
                results.call = measure_call()
            if "scale" in parts:
                results.scale = scale.measure(o.bin, work, host, o.runs)
            # Last: this process grows, and a process that it starts is told to have had as much memory.
            if "floor" in parts:
                results.floor = floor.measure(list(contexts.ALL), work, host, os.path.abspath(o.cache))
    finally:
        builders.unmount_below(work)
        shutil.rmtree(work, ignore_errors=True)
    results.save()
    text = results.markdown()
    print(text)
    if o.write:
        with open(o.write, "w") as fh:
            fh.write(text)


def measure_builds(results, names, o, work, host):
    with contextlib.ExitStack() as stack:
        peers = {"BuildKit": lambda: builders.BuildKit(work, host), "buildah": lambda: builders.Buildah(work)}
        measured = [builders.Windlass(o.bin, work)] + [peers[name]() for name in o.peers.split(",") if name]
        for builder in measured:
            stack.callback(builder.close)
        results.versions = [builder.version() for builder in measured]
        for name in names:
            results.forget(name)
            measure_context(results, name, measured, work, host, o.runs)


def measure_context(results, name, measured, work, host, runs):
    """The builders in turn, so that a drift of the machine's speed hits all of them."""
    slug = name.replace(" ", "-")
    context = os.path.join(work, "ctx-" + slug)
    os.makedirs(context)
    touched = os.path.join(context, contexts.ALL[name](context, host))
    for run in range(runs):
        for builder in measured:
            reference = f"{host}/{builder.name.lower()}-{slug}-{run}:1"
            for situation, figures in measure_round(builder, context, touched, reference, run):
                results.add(name, situation, builder.name, figures)
                print(f"{name} {situation} {builder.name}: {results.last()}", file=sys.stderr, flush=True)
    shutil.rmtree(context)
    results.save()


def measure_round(builder, context, touched, reference, run, tries=3):
    """One build of each situation. A peer that fails now and then begins again; ours must not."""
    for left in reversed(range(tries)):
        builder.forget()
        os.sync()
        try:
            figures = [("cold", builder.build(context, reference)), ("unchanged", builder.build(context, reference))]
            touch(touched, f"{run} {left} {builder.name}")
            return figures + [("touched", builder.build(context, reference))]
        except builders.Failed as failure:
            if left == 0 or builder.name == "windlass":
                raise
            print(f"again, because {failure}", file=sys.stderr, flush=True)


def touch(path, text):
    with open(path, "a") as fh:
        fh.write(f"/* {text} */\n" if path.endswith(".c") else f"touched {text}\n")


def measure_plan(binary, work):
    """`windlass plan` of an ECR step with four plugins: medians of 21."""
    step = os.path.join(work, "step.yaml")
    with open(step, "w") as fh:
        fh.write('type: BuildAndPushECR\nidentifier: push\nname: push\nspec:\n  connectorRef: aws\n  region: us-east-1\n'
                 '  account: "123456789012"\n  imageName: app\n  tags: [latest]\n  context: ctx-plan\n  envVariables:\n    PLUGIN_AUTO_TAG: "true"\n')
    contexts.write(os.path.join(work, "ctx-plan"), "Dockerfile", "FROM scratch\nCOPY . /\n")
    command = [binary, "plan", step, "--policy", "base-images", "--format", "json"]
    builders.timed([command], cwd=work)
    return [statistics.median(column) for column in zip(*(builders.timed([command], cwd=work) for _ in range(21)))]


def measure_call():
    """Milliseconds of one plugin call from the precompiled form, as a test of the runtime measures it: a median of 201."""
    command = ["cargo", "test", "--quiet", "--release", "--workspace", "--test", "runtime", "--", "--ignored", "--nocapture", "call_time::"]
    told = subprocess.run(command, cwd=os.path.join(HERE, "..", ".."), stdout=subprocess.PIPE, check=True).stdout.decode()
    return float(re.search(r"plugin call: ([0-9.]+) ms", told).group(1))


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


if __name__ == "__main__":
    main()
