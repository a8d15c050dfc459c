"""The contexts that are built, and the base images that they begin with."""
import io, os, random, shutil, subprocess, sys, tarfile

C_PROGRAM = """#include <stdio.h>
int main(void) { puts("hello"); return 0; }
"""


def small(ctx, host):
    write(ctx, "Dockerfile", f"FROM {host}/busybox:1\nCOPY hello.txt /hello.txt\nRUN cat /hello.txt > /copy.txt\n")
    write(ctx, "hello.txt", "hello\n")
    return "hello.txt"


def many_files(ctx, host):
    """20,000 files of 10 kB on the average, half of it text and half of it noise."""
    write(ctx, "Dockerfile", f"FROM {host}/busybox:1\nCOPY files /files\nRUN ls /files | wc -l > /count\n")
    noise = random.Random(7)
    words = [bytes(noise.choices(b"abcdefghijklmnopqrstuvwxyz", k=noise.randint(3, 9))) for _ in range(2000)]
    for n in range(20000):
        size = noise.randint(1000, 19000)
        half = b" ".join(noise.choices(words, k=size // 14)) + noise.randbytes(size // 2)
        write(ctx, f"files/{n // 200:03}/{n:05}.dat", half)
    return "files/007/01407.dat"


def multi_stage(ctx, host):
    write(ctx, "Dockerfile", f"""FROM {host}/compiler:1 AS build
WORKDIR /src
COPY . .
RUN gcc -O2 -o /hello main.c
FROM {host}/slim:1
COPY --from=build /hello /usr/local/bin/hello
RUN hello > /greeting
CMD ["hello"]
""")
    write(ctx, "main.c", C_PROGRAM)
    return "main.c"


def deep(ctx, host):
    steps = "".join(f"RUN echo {n} > /step{n} && cat /step{n} >> /all\n" for n in range(30))
    write(ctx, "Dockerfile", f"FROM {host}/busybox:1\nCOPY hello.txt /hello.txt\n{steps}")
    write(ctx, "hello.txt", "hello\n")
    return "hello.txt"


ALL = {"small": small, "many files": many_files, "multi-stage": multi_stage, "deep": deep}


def write(ctx, name, data):
    path = os.path.join(ctx, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as fh:
        fh.write(data if isinstance(data, bytes) else data.encode())


def busybox_rootfs(path):
    applets = "sh cat ls wc echo mkdir rm cp mv ln chmod chown touch test true false id env grep sed sort head tail".split()
    with tarfile.open(path, "w") as tar:
        def add(name, kind, data=b"", mode=0o755, link=""):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
            tar.addfile(info, io.BytesIO(data))
        for name in ("bin", "etc", "proc", "dev", "sys", "tmp", "root", "usr", "usr/bin"):
            add(name, tarfile.DIRTYPE)
        with open(shutil.which("busybox"), "rb") as fh:
            add("bin/busybox", tarfile.REGTYPE, fh.read())
        for applet in applets:
            add("bin/" + applet, tarfile.SYMTYPE, link="busybox")
        add("etc/passwd", tarfile.REGTYPE, b"root:x:0:0:root:/root:/bin/sh\n", 0o644)


def push_bases(cache, host, names):
    """Makes the root file systems once a machine and pushes them."""
    os.makedirs(cache, exist_ok=True)
    recipes = {
        "busybox": busybox_rootfs,
        "slim": lambda path: mmdebstrap(path, []),
        "compiler": lambda path: mmdebstrap(path, ["gcc", "libc6-dev", "make"]),
    }
    for name in names:
        path = os.path.join(cache, name + ".tar")
        if not os.path.exists(path):
            recipes[name](path + ".part")
            os.rename(path + ".part", path)
        push_rootfs(path, f"{host}/{name}:1")


def mmdebstrap(path, packages):
    include = ["--include=" + ",".join(packages)] if packages else []
    with open(path + ".log", "wb") as log:
        done = subprocess.run(["mmdebstrap", "--variant=minbase", "--format=tar", *include, "bookworm", path], stdout=log, stderr=log)
    if done.returncode:
        sys.exit(f"mmdebstrap failed: see {path}.log")


def push_rootfs(tar, reference):
    """A one-layer image, by buildah, so that no builder under test has made its own base."""
    work = tar + ".store"
    buildah = ["buildah", "--root", work + "/root", "--runroot", work + "/run", "--storage-driver", "vfs"]
    run = lambda *args: subprocess.run([*buildah, *args], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    try:
        container = run("from", "scratch")
        run("add", "-q", container, tar, "/")
        run("config", "--cmd", "sh", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        image = run("commit", "-q", container)
        run("push", "-q", "--tls-verify=false", image, "docker://" + reference)
    finally:
        shutil.rmtree(work, ignore_errors=True)
