#!/usr/bin/env python3
"""oracle.py [--cases a,b] [--write] [--buildx PATH]: build cases with the BuildKit inside Debian's dockerd, and compare or record its answers.

Starts a private dockerd (docker.io) with its own directories and socket, and stops it at the end. With --write the
answer becomes the case's expected.json and names the builder in `oracle`; without, differences from the recorded
answer are printed. A case whose case.json has `derived` is left out: Debian stable's BuildKit is too old for it.
With --buildx a newer dockerd of the PATH is asked by that docker-buildx, with containerd's snapshotter in place of docker's
storage driver, as BuildKit has it by itself; then all cases are asked.
"""
import argparse, contextlib, json, os, shutil, signal, subprocess, sys, tempfile, time
sys.dont_write_bytecode = True
import suite

DOCKER = "/usr/bin/docker"  # Debian's, whose client needs no plugin to reach the daemon's BuildKit


@contextlib.contextmanager
def daemon(tmp, is_new):
    """A dockerd without networks. Yields the environment with which `docker` reaches it."""
    sock = "unix://%s/docker.sock" % tmp
    env = dict(os.environ, DOCKER_HOST=sock, DOCKER_BUILDKIT="1", DOCKER_CONFIG=os.path.join(tmp, "config"), BUILDKIT_PROGRESS="plain")
    log = open(os.path.join(tmp, "dockerd.log"), "wb")
    p = subprocess.Popen(["dockerd", "--data-root", tmp + "/data", "--exec-root", tmp + "/exec", "--pidfile", tmp + "/pid", "--host", sock,
                          "--bridge", "none", "--iptables=false", "--ip-forward=false"] +
                         (["--feature", "containerd-snapshotter=true"] if is_new else []), stdout=log, stderr=log, cwd=tmp)
    try:
        for _ in range(300):
            if subprocess.run([DOCKER, "version"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                break
            if p.poll() is not None:
                sys.exit("dockerd ended:\n" + open(log.name).read())
            time.sleep(0.2)
        else:
            sys.exit("dockerd did not start")
        yield env
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()
        log.close()


def ask(name, tmp, host, env, build):
    """The daemon's answer in the form of expected.json."""
    work = os.path.join(tmp, "w-" + name)
    os.makedirs(work)
    try:
        case, args, dockerfile = suite.prepare(name, work, host)
        image = "%s/answer/%s" % (host, name)
        done = subprocess.run(build + ["--network", "none", "--no-cache", "-t", image, "-f", dockerfile] + args + [work + "/ctx"],
                              cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", timeout=300)
        if done.returncode:
            if build[0] == DOCKER and "buildx" in done.stdout:
                sys.exit("docker asks for buildx: Debian's docker.io is needed")
            said = done.stdout.strip().splitlines()[-1:] or [""]
            return {"fails": True, "buildkit_says": said[0].replace(host, "@REGISTRY@").split("error: code = Unknown desc = ")[-1]}
        subprocess.run([DOCKER, "push", "-q", image], env=env, check=True, stdout=subprocess.DEVNULL)
        out = os.path.join(work, "out")
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", "docker://" + image, "dir:" + out], check=True)
        return dict({"fails": False}, **suite.describe(out, tmp, host, case.get("compare", ())))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def text(answer):
    """expected.json with one line a path."""
    tree = answer.pop("tree", None)
    out = json.dumps(answer, indent=1, ensure_ascii=False)
    if tree is not None:
        lines = ",\n".join("  %s: %s" % (json.dumps(p), json.dumps(e)) for p, e in tree.items())
        out = out[:-2] + ',\n "tree": {\n%s\n }\n}' % lines
    return out + "\n"


def differences(expected, got):
    if expected["fails"] != got["fails"]:
        return ["fails: recorded %s, now %s %s" % (expected["fails"], got["fails"], got.get("buildkit_says", ""))]
    return [] if got["fails"] else suite.compare(expected, got)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cases")
    ap.add_argument("--buildx", help="a docker-buildx, for a dockerd that is newer than Debian stable's")
    ap.add_argument("--write", action="store_true", help="record the answers in expected.json")
    o = ap.parse_args()
    names = [n for n in suite.case_names(o.cases) if o.buildx or not suite.load(n, "case.json").get("derived")]
    build = [o.buildx, "build", "--load", "--provenance=false"] if o.buildx else [DOCKER, "build"]
    tmp = os.path.realpath(tempfile.mkdtemp(prefix="oracle-"))
    wrong = 0
    try:
        with suite.registry(tmp) as host, daemon(tmp, o.buildx) as env:
            version = subprocess.run([DOCKER, "version", "-f", "{{.Server.Version}}"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            for name in names:
                got = ask(name, tmp, host, env, build)
                if o.write:
                    got["oracle"] = "BuildKit in dockerd " + version + (" with containerd's snapshotter" if o.buildx else "")
                    with open(os.path.join(suite.folder(name), "expected.json"), "w", encoding="utf-8") as fh:
                        fh.write(text(got))
                    if got["fails"] != suite.load(name, "case.json")["must_fail"]:
                        print("%s: must_fail does not fit: %s" % (name, got.get("buildkit_says", "it was built")), flush=True)
                        wrong += 1
                    continue
                found = differences(suite.load(name, "expected.json"), got)
                if found:
                    wrong += 1
                    print("%s: %s" % (name, "; ".join(found)), flush=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    print("%d of %d cases differ" % (wrong, len(names)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
