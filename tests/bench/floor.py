"""What the machine must do for each context, each part measured by itself with plain tools and without any builder."""
import hashlib, http.client, os, shutil, subprocess, tempfile, time, zlib
import builders, contexts

# For each context: its RUN steps, and the bases that have to become directories for them.
WORK = {"small": (1, ["busybox"]), "many files": (1, ["busybox"]), "multi-stage": (2, ["compiler", "slim"]), "deep": (30, ["busybox"])}


def measure(names, work, host, bases):
    """A table as (title, header, rows): seconds on one core, and the sum over all cores."""
    scratch = builders.Directories(work, "floor")
    rows = [row(name, scratch, host, bases) for name in names]
    scratch.close()
    header = ["context", "read and hash", "deflate", "make files", "unpack bases", "send", "start processes", "sum", f"on {os.cpu_count()} cores"]
    return "The floor: seconds of one core for each part by itself", header, rows


def row(name, file_system, host, bases):
    steps, needed = WORK[name]
    file_system.next()
    with tempfile.TemporaryDirectory(dir=file_system.base) as scratch:
        context = os.path.join(scratch, "context")
        os.makedirs(context)
        contexts.ALL[name](context, host)
        packed_bases = [packed(os.path.join(bases, base + ".tar")) for base in needed]
        data, read = timed(lambda: read_and_hash(context))
        layer, deflate = timed(lambda: deflated(data))
        _, make = timed(lambda: shutil.copytree(context, os.path.join(scratch, "copy")))
        _, unpacking = timed(lambda: [unpack(base, scratch) for base in packed_bases])
        _, send = timed(lambda: upload(host, layer))
        _, start = timed(lambda: [subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=True) for _ in range(steps)])
    parts = [read, deflate, make, unpacking, send, start]
    return [name, *("%.2f" % part for part in parts), "%.2f" % sum(parts), "%.2f" % (sum(parts) / os.cpu_count())]


def timed(work):
    begin = time.monotonic()
    return work(), time.monotonic() - begin


def read_and_hash(context):
    whole, digest = bytearray(), hashlib.sha256()
    for directory, _, files in os.walk(context):
        for name in files:
            with open(os.path.join(directory, name), "rb") as fh:
                data = fh.read()
            digest.update(data)
            whole += data
    return bytes(whole)


def deflated(data):
    return zlib.compress(data, 1)


def packed(tar):
    """The base in its gzip form, as a registry has it."""
    if not os.path.exists(tar + ".gz"):
        with open(tar + ".gz.part", "wb") as out:
            subprocess.run(["gzip", "-1", "-c", tar], stdout=out, check=True)
        os.rename(tar + ".gz.part", tar + ".gz")
    return tar + ".gz"


def unpack(base, scratch):
    target = os.path.join(scratch, os.path.basename(base))
    os.makedirs(target)
    subprocess.run(["tar", "-xzf", base, "-C", target], check=True)


def upload(host, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/v2/floor/blobs/uploads/", headers={"Content-Length": "0"})
    location = connection.getresponse()
    location.read()
    where = location.headers["Location"].split(host, 1)[-1]
    connection.request("PUT", f"{where}&digest={digest}", body=data, headers={"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201, answer.status
