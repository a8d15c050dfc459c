//! Bills of materials of images with RPM databases, compared with what rpm(8) itself reads in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use windlass_e2e::base_images::architecture;
use windlass_e2e::{DockerRegistry, Image, Run, Workspace, skopeo};

use super::attestations::statements;

/// A line for each package, as the document tells it.
const TOLD: &str = "%{NAME} %{EVR} %{LICENSE} | %{SOURCERPM} | %{VENDOR} | %{ARCH}\\n";

/// Runs a program in the workspace's directory and gives what it prints.
fn output(workspace: &Workspace, program: &str, arguments: &[&str]) -> Vec<u8> {
    let home = workspace.path("home");
    let command = Command::new(program)
        .args(arguments)
        .current_dir(workspace.path(""))
        .env("HOME", home)
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}; `.ci/setup test` installs it"));
    assert!(command.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&command.stderr));
    command.stdout
}

/// A package whose header is as large as that of one with many files.
fn package(workspace: &Workspace, name: &str, epoch: &str, filling: usize) -> PathBuf {
    let spec = format!(
        "Name: {name}\n{epoch}Version: 1.2~rc1\nRelease: 4.el9\nSummary: s\nLicense: GPL-2.0-or-later AND {name}\nVendor: Example, Inc.\n\
         %description\n{}\n%files\n",
        "a line of text\n".repeat(filling / 15)
    );
    workspace.write(&format!("{name}.spec"), spec);
    let top = format!("_topdir {}", workspace.path("top").display());
    output(workspace, "rpmbuild", &["-bb", "--quiet", "--define", &top, &format!("{name}.spec")]);
    let directory = workspace.path("top/RPMS").join(std::env::consts::ARCH);
    directory.join(format!("{name}-1.2~rc1-4.el9.{}.rpm", std::env::consts::ARCH))
}

/// The database in the form that rpm(8) writes, and the lines that it tells of it.
fn database(workspace: &Workspace) -> (PathBuf, Vec<String>) {
    let directory = workspace.path("sqlite");
    let place = directory.to_str().unwrap().to_owned();
    output(workspace, "rpm", &["--initdb", "--dbpath", &place]);
    let sizes = (0..40).map(|number| (format!("package{number}"), number * 700));
    for (name, filling) in sizes.chain([("small".to_owned(), 0), ("large".to_owned(), 300_000)]) {
        let epoch = if filling == 0 { "Epoch: 3\n" } else { "" };
        let file = package(workspace, &name, epoch, filling);
        output(workspace, "rpm", &["-i", "--justdb", "--nodeps", "--force-debian", "--dbpath", &place, file.to_str().unwrap()]);
    }
    // Room that was in use is part of every real database.
    output(workspace, "rpm", &["-e", "--justdb", "--force-debian", "--dbpath", &place, "package7"]);
    let lines = told(workspace, &["--dbpath", &place]);
    (directory, lines)
}

fn told(workspace: &Workspace, options: &[&str]) -> Vec<String> {
    let text = String::from_utf8(output(workspace, "rpm", &[&["-qa", "--qf", TOLD], options].concat())).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The headers of a database, without the mark that they have in a stream.
fn headers(workspace: &Workspace, database: &Path) -> Vec<Vec<u8>> {
    let stream = output(workspace, "rpmdb", &["--exportdb", "--dbpath", database.to_str().unwrap()]);
    let (mut rest, mut found) = (stream.as_slice(), Vec::new());
    while let Some((mark, header)) = rest.split_first_chunk::<8>() {
        assert_eq!(mark[..4], [0x8e, 0xad, 0xe8, 1]);
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (header, after) = header.split_at(8 + 16 * number(0) + number(4));
        found.push(header.to_vec());
        rest = after;
    }
    found
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The headers in a Berkeley DB hash table, which Berkeley DB's own tool writes.
fn write_berkeley(workspace: &Workspace, headers: &[Vec<u8>], name: &str) {
    let mut dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n 00000000\n ffff0000\n".to_owned();
    for (number, header) in (1_u32..).zip(headers) {
        dump.push_str(&format!(" {}\n {}\n", hexadecimal(&number.to_le_bytes()), hexadecimal(header)));
    }
    let dump = workspace.write("dump", dump + "DATA=END\n");
    let file = workspace.write(name, "");
    fs::remove_file(&file).unwrap();
    output(workspace, "db5.3_load", &["-f", dump.to_str().unwrap(), file.to_str().unwrap()]);
}

/// The headers in the form NDB, which Debian's rpm(8) can neither write nor read: a page of slots, and blocks of 16 bytes.
fn write_ndb(workspace: &Workspace, headers: &[Vec<u8>], name: &str) {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut slots = [&b"RpmP"[..], &numbers(&[0, 1, 1, headers.len() as u32 + 1, 0, 0, 0])].concat();
    let mut blobs: Vec<u8> = Vec::new();
    for (number, header) in (1_u32..).zip(headers) {
        let length = header.len() as u32;
        let mut blob = [&b"BlbS"[..], &numbers(&[number, 0, length]), header].concat();
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        blob.extend([&numbers(&[0, length])[..], b"BlbE"].concat());
        slots.extend([&b"Slot"[..], &numbers(&[number, 256 + (blobs.len() / 16) as u32, (blob.len() / 16) as u32])].concat());
        blobs.extend(blob);
    }
    slots.extend([&b"Slot"[..], &[0; 12]].concat().repeat(256 - slots.len() / 16));
    workspace.write(name, [slots, blobs].concat());
}

/// Builds an image with `files` below `place`, and gives its document.
fn bill(workspace: &Workspace, registry: &DockerRegistry, files: &str, place: &str) -> (Value, Run) {
    workspace.write("os-release", "ID=\"rhel\"\nVERSION_ID=\"9.4\"\n");
    workspace.write("Dockerfile", format!("FROM scratch\nCOPY os-release /etc/\nCOPY {files} /{place}/\n"));
    let name = format!("{}/app:1", registry.host());
    let run = workspace.windlass(["build", ".", "-t", &name, "--push", "--sbom"]).run().succeeds();
    let index = skopeo::raw(&format!("docker://{name}"));
    let digest = Image::read_for(architecture(), &format!("docker://{name}")).digest;
    let document = statements(registry, "app", &index, &digest).remove(0).1;
    (document, run)
}

/// The packages of a document, in the form of [`TOLD`].
fn lines(document: &Value) -> Vec<String> {
    let licenses = document["hasExtractedLicensingInfos"].as_array().cloned().unwrap_or_default();
    let line = |package: &Value| {
        let text = |name: &str| package[name].as_str().unwrap().to_owned();
        let (name, version) = (text("name"), text("versionInfo"));
        let license = licenses.iter().find(|license| license["licenseId"] == package["licenseDeclared"]).unwrap();
        let source = text("sourceInfo").strip_prefix("built from ").unwrap().to_owned();
        let vendor = text("supplier").strip_prefix("Organization: ").unwrap().to_owned();
        let url = package["externalRefs"][0]["referenceLocator"].as_str().unwrap();
        let (epoch, plain) = version.split_once(':').map_or(("", version.as_str()), |(epoch, plain)| (epoch, plain));
        let epoch = if epoch.is_empty() { String::new() } else { format!("&epoch={epoch}") };
        let architecture = url.split("?arch=").nth(1).unwrap().split('&').next().unwrap();
        assert_eq!(url, format!("pkg:rpm/rhel/{name}@{plain}?arch={architecture}&distro=rhel-9.4{epoch}"));
        format!("{name} {version} {} | {source} | {vendor} | {architecture}", license["extractedText"].as_str().unwrap())
    };
    let mut lines: Vec<String> = document["packages"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn packages_of_an_rpm_image_are_told_as_rpm_tells_them_in_every_form_of_its_database() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let (database, expected) = database(&workspace);
    assert_eq!(expected.len(), 41, "{expected:?}");
    let (document, run) = bill(&workspace, &registry, "sqlite/rpmdb.sqlite", "usr/lib/sysimage/rpm");
    assert_eq!(lines(&document), expected);
    assert!(!run.all().contains("bill of materials"), "{}", run.all());

    let headers = headers(&workspace, &database);
    write_berkeley(&workspace, &headers, "berkeley/Packages");
    let place = workspace.path("berkeley").to_str().unwrap().to_owned();
    assert_eq!(told(&workspace, &["--define", "_db_backend bdb_ro", "--dbpath", &place]), expected);
    let (document, _) = bill(&workspace, &registry, "berkeley/Packages", "var/lib/rpm");
    assert_eq!(lines(&document), expected);

    write_ndb(&workspace, &headers, "ndb/Packages.db");
    let (document, _) = bill(&workspace, &registry, "ndb/Packages.db", "usr/lib/sysimage/rpm");
    assert_eq!(lines(&document), expected);
}

#[test]
fn what_cannot_be_read_of_a_database_is_said_and_the_rest_is_told() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let place = workspace.path("sqlite").to_str().unwrap().to_owned();
    output(&workspace, "rpm", &["--initdb", "--dbpath", &place]);
    let file = package(&workspace, "small", "", 0);
    output(&workspace, "rpm", &["-i", "--justdb", "--nodeps", "--force-debian", "--dbpath", &place, file.to_str().unwrap()]);
    workspace.write("sqlite/rpmdb.sqlite-wal", [7; 4096]);
    workspace.write("sqlite/Packages", "nothing of the sort, but it stands where a database would stand");
    let (document, run) = bill(&workspace, &registry, "sqlite/*", "var/lib/rpm");
    assert_eq!(lines(&document).len(), 1, "{document}");
    let said = run.all();
    assert!(said.contains("may lack packages of /var/lib/rpm/rpmdb.sqlite-wal: changes that have not been moved"), "{said}");
    assert!(said.contains("may lack packages of /var/lib/rpm/Packages: it is no Berkeley DB hash table"), "{said}");
}
