"""The builders that are measured, each with how it starts, builds and pushes, forgets everything, and what it costs."""
import contextlib, os, signal, subprocess, sys, tempfile, time

# Debian's client has BuildKit built in; newer ones need a plugin that may not be there.
DOCKER = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
ENVIRONMENT = dict(os.environ, AWS_EC2_METADATA_DISABLED="true")


class Failed(Exception):
    """A command of a builder has failed."""


class Windlass:
    """A process a build, and a store that is a directory."""
    name = "windlass"

    def __init__(self, binary, work, wrapper=()):
        self.binary, self.stores, self.wrapper = binary, Directories(work, "windlass"), list(wrapper)

    def version(self):
        return output([self.binary, "--version"])

    def commands(self, context, reference, options=()):
        words = ["build", context, "-t", reference, "--push", "--store", self.stores.current, "--progress", "quiet"]
        return [self.wrapper + [self.binary] + words + list(options)]

    def build(self, context, reference, options=()):
        return timed(self.commands(context, reference, options))

    def forget(self):
        self.stores.next()

    def close(self):
        self.stores.close()


class Buildah:
    """Two processes a build, with the overlay driver and layers cached."""
    name = "buildah"

    def __init__(self, work):
        self.stores = Directories(work, "buildah")

    def version(self):
        return output(["buildah", "--version"]).split(" (")[0]

    def build(self, context, reference):
        store = self.stores.current
        base = ["buildah", "--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "overlay"]
        return timed([base + ["build", "-q", "--isolation", "chroot", "--layers", "--tls-verify=false", "-t", reference, context],
                      base + ["push", "-q", "--tls-verify=false", reference]])

    def forget(self):
        self.stores.next()

    def close(self):
        self.stores.close()


class BuildKit:
    """BuildKit inside dockerd, which is running and warm before anything is measured; the daemon's CPU and memory count."""
    name = "BuildKit"

    def __init__(self, work, registry):
        self.roots, self.registry, self.daemon = Directories(work, "dockerd"), registry, None
        self.start()

    def start(self):
        root = self.roots.current
        os.makedirs(root)
        self.socket = f"unix://{root}/docker.sock"
        command = ["dockerd", "--data-root", root + "/data", "--exec-root", root + "/exec", "-p", root + "/pid", "-H", self.socket,
                   "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
                   "--insecure-registry", self.registry]
        with open(root + "/log", "wb") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=dict(ENVIRONMENT, DOCKER_RAMDISK="1"))
        for _ in range(300):
            if not subprocess.run(self.docker("info"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                return
            time.sleep(0.1)
        sys.exit(f"dockerd did not start: see {root}/log")

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.wait(30)
        if self.daemon.poll() is None:
            os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()

    def docker(self, *words):
        return [DOCKER, "-H", self.socket, *words]

    def version(self):
        return "dockerd " + output(self.docker("version", "--format", "{{.Server.Version}}")) + " with BuildKit"

    def build(self, context, reference):
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as fh:
                fh.write("5")  # the peak of memory begins anew
        before = self.cpu()
        wall, cpu, peak = timed([self.docker("build", "-q", "--network", "host", "-t", reference, context), self.docker("push", "-q", reference)],
                                dict(ENVIRONMENT, DOCKER_BUILDKIT="1"))
        peaks = [status(pid, "VmHWM:") / 1024 for pid in self.processes()]
        return wall, cpu + self.cpu() - before, max([peak, *peaks])

    def forget(self):
        self.stop()
        self.roots.next()
        self.start()

    def processes(self):
        """The daemon and all below it."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/stat") as fh:
                parents[int(pid)] = int(fh.read().rpartition(")")[2].split()[1])
        found = [self.daemon.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu(self):
        """CPU seconds of the daemon, of what runs below it, and of what has run below it and has been waited for."""
        ticks = 0
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as fh:
                ticks += sum(map(int, fh.read().rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.stop()
        self.roots.close()


class Directories:
    """A file system of its own for every cold build, as on a machine that has built nothing yet. A directory would not do: a file
    system that has just deleted twenty thousand files is slow to make new ones (ext4 looks at each recently deleted inode)."""
    SIZE = 12 << 30  # bytes, of which only what is written takes space

    def __init__(self, work, name):
        self.base, self.number = os.path.join(work, "stores-" + name), 0
        self.image = self.base + ".ext4"
        os.makedirs(self.base)
        self.mount()

    @property
    def current(self):
        return os.path.join(self.base, str(self.number))

    def mount(self):
        with open(self.image, "wb") as fh:
            fh.truncate(self.SIZE)
        run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.image])
        self.device = output(["losetup", "--find", "--show", "--direct-io=on", self.image])
        run(["mount", "-t", "ext4", self.device, self.base])
        os.chmod(self.base, 0o777)  # an unprivileged builder keeps its store here too

    def unmount(self):
        unmount_below(self.base)
        run(["losetup", "--detach", self.device])
        os.unlink(self.image)

    def next(self):
        self.unmount()
        self.number += 1
        self.mount()

    def close(self):
        self.unmount()
        os.rmdir(self.base)


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n" + done.stdout.decode(errors="replace"))


def status(pid, name):
    """A figure of /proc/PID/status, in kB."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as fh:
        for line in fh:
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def timed(commands, environment=ENVIRONMENT, cwd=None):
    """Wall seconds and CPU seconds of the commands with all their children, and the peak memory of the largest process in MB."""
    wall, cpu, peak = 0.0, 0.0, 0
    for command in commands:
        with tempfile.TemporaryFile() as log:
            begin = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, env=environment)
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
            wall += time.monotonic() - begin
            if code:
                log.seek(0)
                raise Failed(f"{' '.join(command)} failed:\n" + log.read().decode(errors="replace")[-2000:])
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    return wall, cpu, peak / 1024


def output(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()


def unmount_below(path):
    with open("/proc/self/mounts") as fh:
        points = [line.split()[1] for line in fh]
    for point in sorted((p for p in points if p.startswith(path)), reverse=True):
        subprocess.run(["umount", point], stderr=subprocess.DEVNULL).returncode and subprocess.run(["umount", "-l", point])
