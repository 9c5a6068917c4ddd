//! A machine's facts as files: `--root DIR`.

use super::this::read_file;
use super::{DriverInfo, HASHED_ID, Host, TAKEN, answer_file, conclude};
use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A recorded or copied tree. Every path is opened with `openat2` and `RESOLVE_IN_ROOT`: a symbolic link in the tree can never
/// lead out of it.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Opens the directory.
    ///
    /// # Errors
    ///
    /// The system's, where it is missing, no directory, or may not be opened.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let root = openat(CWD, directory, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root })
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel says EAGAIN where something is renamed while it walks (openat2(2)).
        for _ in 0..8 {
            match openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(rustix::io::Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

impl Host for Tree {
    fn origin(&self) -> &'static str {
        "root"
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_file(self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?.into())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let directory = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        let link = self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        Ok(readlinkat(&link, "", Vec::new())?.to_string_lossy().into_owned())
    }

    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        conclude(&self.read(&answer_file(family, request))?)
    }

    fn machine_id(&self) -> io::Result<String> {
        match self.read(HASHED_ID) {
            Ok(hash) => {
                let text = String::from_utf8_lossy(hash.trim_ascii()).into_owned();
                let lawful = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                lawful.then_some(text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a hash of a machine id"))
            }
            Err(_) => super::hashed_id(&self.read(super::MACHINE_ID)?),
        }
    }

    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        let text = self.read(&format!("/ethtool/{ifname}"))?;
        Ok(DriverInfo::from_lines(&String::from_utf8_lossy(&text)))
    }

    fn taken(&self) -> Option<jiff::Timestamp> {
        std::str::from_utf8(self.read(TAKEN).ok()?.trim_ascii()).ok()?.parse().ok()
    }

    fn live(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_cannot_lead_out_of_the_tree() {
        let outside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("secret"), "outside").expect("a file");
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        std::fs::create_dir_all(root.join("etc")).expect("a directory");
        std::fs::write(root.join("etc/inside"), "inside").expect("a file");
        symlink(outside.path().join("secret"), root.join("absolute")).expect("a link");
        symlink("../../../../../../../../etc/inside", root.join("etc/up")).expect("a link");
        symlink("/proc/self/root", root.join("magic")).expect("a link");
        let tree = Tree::open(root).expect("the tree");
        assert_eq!(tree.read("/absolute").expect_err("not in the tree").kind(), io::ErrorKind::NotFound);
        assert_eq!(tree.read("/etc/up").expect("clamped to the tree"), b"inside");
        assert!(tree.list("/magic").is_err());
        assert_eq!(tree.link("/etc/up").expect("a link"), "../../../../../../../../etc/inside");
        assert_eq!(tree.list("/etc").expect("a directory"), ["inside", "up"]);
        assert!(Tree::open(&root.join("missing")).is_err());
        assert!(Tree::open(&root.join("etc/inside")).is_err(), "a file is no tree");
    }
}
