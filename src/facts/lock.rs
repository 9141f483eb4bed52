//! The store's lock: one run writes, others wait a while and then say who holds it.
//!
//! A local store is locked by the system, which frees the lock with its process. In S3 the lock is an
//! object that only one can create; it holds until a time that its holder moves on while it works, and
//! whoever finds it later may take it over. A holder that lost it cannot commit: each record is
//! replaced only if it is the one that was read.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::aws::s3::Condition;
use crate::clock;
use crate::error::{Error, Result};
use crate::place::Place;

/// The lock's file or object.
const NAME: &str = ".lock";
/// Tries for the lock, and the wait between two: another run is done in seconds, and a daily job would
/// rather wait than fail.
const TRIES: u32 = 600;
const WAIT: Duration = Duration::from_millis(100);
/// In S3 each try is a request.
const WAIT_REMOTE: u32 = 10;
/// Seconds for which a lock in S3 holds, unless its holder moves that on.
const LEASE: i64 = 300;
/// How often it does.
const RENEWAL: Duration = Duration::from_secs(45);

/// Holds the store until dropped.
#[derive(Debug)]
pub enum Lock {
    /// A local store's.
    Local {
        /// Locked while it is open.
        _file: File,
    },
    /// An S3 store's.
    Lease(Lease),
}

/// A lock in S3.
#[derive(Debug)]
pub struct Lease {
    place: Place,
    holder: Holder,
    stop: Option<Sender<()>>,
    renewal: Option<JoinHandle<()>>,
}

/// Who holds a lock in S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    process: u32,
    /// When the process started, by the system's own count: process numbers are used again.
    started: String,
    /// Which world of processes the number is of: boot and container.
    #[serde(default)]
    world: String,
    /// Until when the lock holds; epoch seconds.
    until: i64,
}

impl Holder {
    fn me() -> Self {
        let process = std::process::id();
        let started = start_of(process).unwrap_or_default();
        Self { host: host(), process, started, world: world(), until: clock::now() + LEASE }
    }

    fn is(&self, other: &Self) -> bool {
        let who = |holder: &Self| (holder.host.clone(), holder.process, holder.started.clone(), holder.world.clone());
        who(self) == who(other)
    }

    /// Whether nobody works under this lock any more.
    fn is_gone(&self) -> bool {
        let is_here = self.host == host() && self.world == world() && !self.world.is_empty();
        let is_dead = is_here && start_of(self.process).is_none_or(|started| started != self.started);
        self.until < clock::now() || is_dead
    }

    fn words(&self) -> String {
        let until = clock::instant_text(self.until);
        format!("process {} on {} (until {until}, unless it goes on)", self.process, self.host)
    }

    fn bytes(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Makes the store's folder and takes the lock for writing.
pub fn write(place: &Place) -> Result<Lock> {
    match place {
        Place::Local(root) => {
            fs::create_dir_all(root).map_err(Error::io(root, "create"))?;
            let path = root.join(NAME);
            let options = File::options().create(true).truncate(false).read(true).write(true).clone();
            let file = options.open(&path).map_err(Error::io(&path, "open"))?;
            wait(root, file, File::try_lock)
        }
        Place::S3(..) => lease(place),
    }
}

/// Keeps writers out while tables are read; a store that nobody ever wrote to needs no lock, and in S3
/// readers take each file by its hash.
pub fn read(place: &Place) -> Result<Option<Lock>> {
    let Place::Local(root) = place else { return Ok(None) };
    match File::open(root.join(NAME)) {
        Ok(file) => wait(root, file, File::try_lock_shared).map(Some),
        Err(_) => Ok(None),
    }
}

/// Who holds the store for writing, in words; nobody where it is free. Nothing is waited for or changed.
///
/// # Errors
/// Where the lock cannot be looked at.
pub fn holder(place: &Place) -> Result<Option<String>> {
    match place {
        Place::Local(root) => {
            let path = root.join(NAME);
            let Ok(file) = File::open(&path) else { return Ok(None) };
            match file.try_lock_shared() {
                Ok(()) => Ok(None),
                Err(TryLockError::WouldBlock) => Ok(Some(local_holder(&file))),
                Err(TryLockError::Error(error)) => Err(Error::Io { path, doing: "lock", source: error }),
            }
        }
        Place::S3(..) => {
            let Some((bytes, _)) = place.get(NAME)? else { return Ok(None) };
            let holder: Option<Holder> = serde_json::from_slice(&bytes).ok();
            Ok(match holder {
                Some(holder) if holder.is_gone() => None,
                Some(holder) => Some(holder.words()),
                None => Some("somebody whose lock cannot be read".into()),
            })
        }
    }
}

/// The process that holds a local lock, where the system tells.
fn local_holder(file: &File) -> String {
    let unknown = || "another process of this machine".to_string();
    let Ok(locks) = fs::read_to_string("/proc/locks") else { return unknown() };
    let Some(inode) = inode(file) else { return unknown() };
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`: the fifth field is the process, the sixth ends in the inode.
    let holder = locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_ours = fields.get(3) == Some(&"WRITE") && fields.get(5)?.rsplit(':').next() == Some(inode.as_str());
        is_ours.then(|| (*fields.get(4).unwrap_or(&"")).to_string())
    });
    holder.map_or_else(unknown, |process| format!("process {process} of this machine"))
}

#[cfg(unix)]
fn inode(file: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().ok().map(|metadata| metadata.ino().to_string())
}

#[cfg(not(unix))]
fn inode(_: &File) -> Option<String> {
    None
}

fn wait(root: &Path, file: File, attempt: fn(&File) -> Result<(), TryLockError>) -> Result<Lock> {
    for _ in 0..TRIES {
        match attempt(&file) {
            Ok(()) => return Ok(Lock::Local { _file: file }),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
            Err(TryLockError::Error(error)) => {
                return Err(Error::Io { path: root.join(NAME), doing: "lock", source: error });
            }
        }
    }
    let who = holder_of(&root.join(NAME)).map_or(String::new(), |process| format!(": process {process}"));
    Err(Error::input(
        root.display().to_string(),
        format!("another billtag has held this store for a minute{who}"),
        "wait until it is done, or stop it; the lock goes with its process",
    ))
}

/// The process that has locked a file, where the system tells.
fn holder_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // `1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF`; who waits has an arrow before the word.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next() == Some(inode.as_str());
        if is_it { fields.get(4)?.parse().ok() } else { None }
    })
}

fn lease(place: &Place) -> Result<Lock> {
    let mut other = None;
    for tried in 0..TRIES / WAIT_REMOTE {
        if tried > 0 {
            std::thread::sleep(WAIT * WAIT_REMOTE);
        }
        let me = Holder::me();
        let condition = match place.get(NAME)? {
            None => Condition::Absent,
            Some((bytes, tag)) => {
                // A lock that cannot be read is taken over when it is as old as a lock can be.
                let holder: Option<Holder> = serde_json::from_slice(&bytes).ok();
                let is_free = holder.as_ref().is_some_and(|holder| holder.is_gone() || holder.is(&me));
                other = holder;
                match tag.filter(|_| is_free) {
                    Some(tag) => Condition::Is(tag),
                    None => continue,
                }
            }
        };
        match place.put(NAME, &me.bytes(), &condition) {
            Ok(_) => return Ok(Lock::Lease(hold(place, me))),
            // Somebody else was faster.
            Err(Error::Changed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let who = other.map_or_else(|| "somebody".to_string(), |holder| holder.words());
    Err(Error::input(
        place.address(NAME),
        format!("another billtag has held this store for a minute: {who}"),
        "wait until it is done, or stop it; a lock that its holder left behind ends by itself",
    ))
}

/// Keeps a lease alive on a thread of its own.
fn hold(place: &Place, holder: Holder) -> Lease {
    let (stop, stopped) = mpsc::channel();
    let (at, me) = (place.clone(), holder.clone());
    let renewal = std::thread::spawn(move || {
        while stopped.recv_timeout(RENEWAL) == Err(RecvTimeoutError::Timeout) {
            let Ok(Some((bytes, Some(tag)))) = at.get(NAME) else { continue };
            let is_mine = serde_json::from_slice::<Holder>(&bytes).is_ok_and(|holder| holder.is(&me));
            if !is_mine {
                break;
            }
            // What fails now is tried again before the lease ends; a lost lease shows at the commit.
            drop(at.put(NAME, &Holder::me().bytes(), &Condition::Is(tag)));
        }
    });
    Lease { place: place.clone(), holder, stop: Some(stop), renewal: Some(renewal) }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(renewal) = self.renewal.take() {
            // A thread that panicked renews nothing more, which is all that is wanted.
            drop(renewal.join());
        }
        let holder = self.place.get(NAME).ok().flatten();
        let holder = holder.and_then(|(bytes, _)| serde_json::from_slice::<Holder>(&bytes).ok());
        if holder.is_some_and(|holder| holder.is(&self.holder)) {
            // What cannot be removed ends by itself.
            drop(self.place.remove(NAME));
        }
    }
}

/// The boot and the namespace of processes: containers that share a host's name share neither their
/// numbers nor their starts.
fn world() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() { String::new() } else { format!("{} {}", boot.trim(), space.display()) }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_string()).unwrap_or_default()
}

/// When a process of this machine started, in the system's own count; `None` where there is no such
/// process. Where the system does not say, every process counts as alive.
fn start_of(process: u32) -> Option<String> {
    if !Path::new("/proc/self/stat").exists() {
        return Some(String::new());
    }
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces; the start is the 20th field behind it.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_whitespace().nth(19).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_lock_names_its_holder_only_while_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Local(folder.path().to_path_buf());
        assert_eq!(holder(&place).unwrap(), None);
        let lock = write(&place).unwrap();
        assert!(holder(&place).unwrap().is_some_and(|holder| holder.contains("of this machine")));
        drop(lock);
        assert_eq!(holder(&place).unwrap(), None);
    }

    #[test]
    fn who_holds_a_local_lock_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Local(folder.path().to_path_buf());
        let lock = write(&place).unwrap();
        if Path::new("/proc/locks").exists() {
            assert_eq!(holder_of(&folder.path().join(NAME)), Some(std::process::id()));
        }
        drop(lock);
        assert_eq!(holder_of(&folder.path().join(NAME)), None);
    }

    #[test]
    fn a_lock_whose_holder_died_is_free_and_one_that_works_is_not() {
        let me = Holder::me();
        assert!(!me.is_gone() && me.is(&Holder::me()));
        assert!(Holder { until: clock::now() - 1, ..me.clone() }.is_gone());
        assert!(Holder { started: "another start".into(), ..me.clone() }.is_gone());
        assert!(!Holder { host: "elsewhere".into(), process: 1, started: "x".into(), ..me }.is_gone());
    }
}
