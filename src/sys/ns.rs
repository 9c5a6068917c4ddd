//! Namespaces, mounts and the process attributes that the lab needs.
#![expect(unsafe_code, reason = "unshare, setns, mount, prctl and pidfds have no safe wrapper in the standard library")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A set of namespace kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(libc::c_int);

impl Kinds {
    /// A user namespace: rights that hold only inside.
    pub const USER: Self = Self(libc::CLONE_NEWUSER);
    /// What one host has: interfaces, mounts and a name.
    pub const HOST: Self = Self(libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWUTS);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Moves this process into new namespaces (`unshare(2)`).
///
/// # Errors
/// What the kernel says: `EPERM` or `ENOSPC` where namespaces are forbidden, `EINVAL` in a threaded process.
pub fn unshare(kinds: Kinds) -> io::Result<()> {
    // SAFETY: unshare takes no pointer.
    check(unsafe { libc::unshare(kinds.0) })
}

/// Moves this process into the namespaces of `pid` (`setns(2)` on a pidfd, Linux 5.8).
///
/// # Errors
/// `ESRCH` when it is gone, `EPERM` without the right over its user namespace, `EINVAL` in a threaded process.
pub fn enter(pid: u32, kinds: Kinds) -> io::Result<()> {
    let process = open_process(pid)?;
    // SAFETY: the descriptor is open for the whole call; setns takes no pointer.
    check(unsafe { libc::setns(process.as_raw_fd(), kinds.0) })
}

/// A descriptor of a process; it becomes readable when the process ends (`pidfd_open(2)`).
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn open_process(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes a number and flags; a result that is not negative is a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Makes the kernel kill this process when the thread that started it ends.
///
/// The setting is lost when a process gains rights, so call it after [`unshare`] and [`enter`].
///
/// # Errors
/// `BrokenPipe` when the parent is no longer `parent`: it died before the setting took hold.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    if std::os::unix::process::parent_id() == parent {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the parent has ended"))
    }
}

/// Gives up every right for good: what this process executes next has none, even as root of its user namespace.
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: PR_CAPBSET_DROP takes a number and no pointer.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            // Beyond the last capability of this kernel.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Effective user and group of this process.
#[must_use]
pub fn user_and_group() -> (u32, u32) {
    // SAFETY: these calls take nothing and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Keeps the terminal's interrupt from this thread, and from threads started later. Programs that it executes get it again.
pub fn hold_interrupts() {
    mask_interrupts(libc::SIG_BLOCK);
}

/// Takes [`hold_interrupts`] back; an interrupt that came meanwhile takes effect.
pub fn release_interrupts() {
    mask_interrupts(libc::SIG_UNBLOCK);
}

fn mask_interrupts(how: libc::c_int) {
    // SAFETY: the set is on this stack and initialised by sigemptyset before use; failure is impossible with a valid `how`.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

/// Names this UTS namespace.
///
/// # Errors
/// `EPERM` outside an own UTS namespace.
pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are those of a live string; the kernel copies it.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
}

/// Cuts this mount namespace's mounts off from those of the machine.
///
/// # Errors
/// `EPERM` outside an own mount namespace.
pub fn make_mounts_private() -> io::Result<()> {
    mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE)
}

/// Mounts a sysfs that shows the network namespace of this process.
///
/// # Errors
/// `EPERM` where the machine's own sysfs is partly hidden, as in many containers.
pub fn mount_sysfs(at: &Path) -> io::Result<()> {
    mount(None, at, Some(c"sysfs"), libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

/// Mounts an empty file system in memory.
///
/// # Errors
/// What `mount(2)` says.
pub fn mount_tmpfs(at: &Path) -> io::Result<()> {
    mount(None, at, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV)
}

/// Shows `from` in place of `at`.
///
/// # Errors
/// What `mount(2)` says.
pub fn bind_mount(from: &Path, at: &Path) -> io::Result<()> {
    mount(Some(from), at, None, libc::MS_BIND)
}

/// Takes a mount away; what still uses it keeps it.
///
/// # Errors
/// What `umount2(2)` says.
pub fn detach_mount(at: &Path) -> io::Result<()> {
    let at = CString::new(at.as_os_str().as_bytes())?;
    // SAFETY: a live, terminated string.
    check(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) })
}

fn mount(from: Option<&Path>, at: &Path, kind: Option<&CStr>, flags: libc::c_ulong) -> io::Result<()> {
    let from = from.map(|path| CString::new(path.as_os_str().as_bytes())).transpose()?;
    let at = CString::new(at.as_os_str().as_bytes())?;
    // SAFETY: every pointer is null, where mount(2) allows it, or a live, terminated string.
    check(unsafe {
        libc::mount(
            from.as_deref().or(kind).map_or(std::ptr::null(), CStr::as_ptr),
            at.as_ptr(),
            kind.map_or(std::ptr::null(), CStr::as_ptr),
            flags,
            std::ptr::null(),
        )
    })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
