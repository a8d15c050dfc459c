//! What the caller, the supervisor and the command tell each other over one socket.
//!
//! The caller sends one message: descriptors alone. They are files, with the specification as JSON, the seccomp filter,
//! standard input, and the content of each secret, in the order of the mounts. The answers are [`Report`]s. A closed socket
//! means that the other side is gone.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::seccomp;
use crate::spec::{MountKind, RunSpec};
use crate::status::ExitStatus;
use crate::sys::Instruction;

/// As many descriptors as the kernel lets one message carry (`SCM_MAX_FD`).
const DESCRIPTORS: usize = 253;
/// Longer than any report.
const REPORT: usize = 64 * 1024;

/// What the sandbox tells the caller. The first report counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The command could not be started.
    Failed(Failure),
    /// The command has ended, and everything that it left behind.
    Exited(ExitStatus),
}

/// A specification with the files that belong to it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) spec: RunSpec,
    /// Empty where nothing is to be filtered.
    pub(crate) filter: Vec<Instruction>,
    pub(crate) stdin: OwnedFd,
    /// One for each secret mount, in their order.
    pub(crate) secrets: Vec<OwnedFd>,
}

/// Sends a specification.
pub(crate) fn send_order(socket: BorrowedFd<'_>, spec: &RunSpec) -> io::Result<()> {
    let mut files = vec![
        memory_file("spec", &serde_json::to_vec(spec)?)?,
        memory_file("filter", seccomp::filter(spec.security, spec.isolation))?,
        memory_file("stdin", &spec.stdin)?,
    ];
    for mount in &spec.mounts {
        if let MountKind::Secret { content, .. } = &mount.kind {
            files.push(memory_file("secret", content.expose())?);
        }
    }
    let borrowed: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(Errno::TOOMANYREFS.into());
    }
    sendmsg(socket, &[IoSlice::new(b"1")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Sends one descriptor.
pub(crate) fn send_descriptor(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"1")], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}

/// Receives one descriptor; `None` when the sender is gone.
pub(crate) fn receive_descriptor(socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut [0; 1])], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(descriptor)
}

/// Receives a specification; `None` when the caller is gone.
pub(crate) fn receive_order(socket: BorrowedFd<'_>) -> io::Result<Option<Order>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    if recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes == 0 {
        return Ok(None);
    }
    let mut files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let (Some(spec), Some(filter), Some(stdin)) = (files.next(), files.next(), files.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let secrets = files.collect();
    let filter = seccomp::from_bytes(&content(filter)?);
    Ok(Some(Order { spec: serde_json::from_slice(&content(spec)?)?, filter, stdin, secrets }))
}

fn content(file: OwnedFd) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::from(file).read_to_end(&mut content)?;
    Ok(content)
}

/// Sends a report. Nobody listens when the caller is gone, which the supervisor notices by itself.
pub(crate) fn send_report(socket: BorrowedFd<'_>, report: &Report) {
    if let Ok(json) = serde_json::to_vec(report) {
        let _ = rustix::net::send(socket, &json, SendFlags::NOSIGNAL);
    }
}

/// Receives a report; `None` when the supervisor is gone.
pub(crate) fn receive_report(socket: BorrowedFd<'_>) -> io::Result<Option<Report>> {
    let mut buffer = vec![0; REPORT];
    let (length, _) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
    if length == 0 { Ok(None) } else { Ok(Some(serde_json::from_slice(&buffer[..length])?)) }
}

fn memory_file(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}
