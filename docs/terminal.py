#!/usr/bin/env python3
"""terminal.py BINARY > terminal.svg: runs windlass in a directory of its own, against a registry on this machine, and draws
what it printed. `make picture` calls it. Nothing in the picture is typed by hand but the commands."""
import html
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HOST = "registry.example.com"
DOCKERFILE = """FROM busybox
ARG VERSION=none
COPY app.sh /src/
RUN sed "s/@VERSION@/$VERSION/" /src/app.sh > /bin/app && chmod 755 /bin/app
ENTRYPOINT ["app"]
"""
COMMANDS = [
    "cat Dockerfile",
    f"windlass build . -t {HOST}/team/app:1.0 --build-arg VERSION=1.0 --push",
    "windlass build . --policy base-images --set base-images.allow=registry.internal/* -o oci:image",
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def registry(place):
    """Starts a registry and gives its process and address."""
    address = f"127.0.0.1:{free_port()}"
    settings = place / "registry.yml"
    settings.write_text(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                        f"storage: {{filesystem: {{rootdirectory: {place}/registry}}}}\nhttp: {{addr: {address}}}\n")
    process = subprocess.Popen(["docker-registry", "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=os.environ | {"OTEL_TRACES_EXPORTER": "none"})
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", int(address.split(":")[1]))).close()
            return process, address
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the registry did not start")


def session(binary, place, address):
    """Runs the commands and gives the lines of the session, each with what it is."""
    project = place / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "app.sh").write_text("#!/bin/sh\necho app @VERSION@\n")
    (place / "bin").mkdir()
    (place / "bin/windlass").symlink_to(pathlib.Path(binary).resolve())
    environment = {"PATH": f"{place}/bin:{os.environ['PATH']}", "HOME": str(place), "WINDLASS_STORE": f"{place}/store",
                   "WINDLASS_REGISTRY_MAP": f"{HOST}=http://{address},docker.io=http://{address}", "WINDLASS_PROGRESS": "plain"}
    run = lambda command, where: subprocess.run(command, cwd=where, shell=True, env=environment, stdout=subprocess.PIPE,
                                                stderr=subprocess.STDOUT, text=True, check=False).stdout
    base = place / "base"
    base.mkdir()
    shutil.copy(shutil.which("busybox"), base / "busybox")
    (base / "Dockerfile").write_text('FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nENV PATH=/usr/bin:/bin\n')
    run(f"windlass build . -t {address}/library/busybox --push", base)
    for command in COMMANDS:
        yield "command", command
        yield from (("error" if line.startswith("error") else "output", line) for line in run(command, project).splitlines())
        yield "output", ""


def draw(lines):
    """The session as SVG, readable in light and dark."""
    lines = list(lines)[:-1]
    width, height = 18 + 8.4 * max(len(text) + 2 for _, text in lines), 26 + 19 * len(lines)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" aria-label="A run of windlass in a terminal">'
    yield "<style>rect{fill:#f6f8fa;stroke:#d0d7de}text{font:14px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#1f2328}" \
        ".command{font-weight:bold;fill:#0550ae}.error{fill:#a40e26}" \
        "@media(prefers-color-scheme:dark){rect{fill:#161b22;stroke:#30363d}text{fill:#e6edf3}.command{fill:#79c0ff}.error{fill:#ff7b72}}</style>"
    yield f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="6"/>'
    for number, (kind, text) in enumerate(lines):
        shown = html.escape(("$ " if kind == "command" else "") + text)
        yield f'<text class="{kind}" x="14" y="{28 + 19 * number}">{shown}</text>'
    yield "</svg>"


def main():
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        process, address = registry(place)
        try:
            print("\n".join(draw(session(sys.argv[1], place, address))))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
