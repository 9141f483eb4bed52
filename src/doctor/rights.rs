//! Each right, by using it: one page of a list, one byte of an object, one hidden file written and removed.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use super::access::{Doors, targets};
use super::stored::Stored;
use super::{Check, Subject, some, uses_aws};
use crate::aws::failure::Failure;
use crate::aws::probe;
use crate::aws::s3::{Bucket, Condition, Listed};
use crate::aws::{Access, environment_region};
use crate::error::Error;
use crate::place::{Place, s3_address};
use crate::policy::{self, Deed, Use};

/// The hidden file that is written to the store and removed.
const TRIAL: &str = ".doctor";
/// Bytes below which a disk is nearly full.
const LITTLE: u64 = 1 << 30;

/// Parts of the config that cannot be looked at further, since they were refused already.
pub(super) type Closed = Vec<String>;

/// Tries every right; returns the parts that are closed.
pub(super) fn try_all(subject: &Subject<'_>, stored: &Stored, doors: &Doors, checks: &mut Vec<Check>) -> Closed {
    let mut closed = Closed::new();
    for used in policy::uses(subject.config).iter().filter(|used| used.deed.is_of_objects()) {
        let tried = if doors.is_closed(&used.access) {
            let fix = "mend the credentials that are named above";
            vec![Check::warning("rights", &used.part, "not tried, since its credentials do not work", fix)]
        } else {
            objects(subject, used)
        };
        if tried.iter().any(|check| check.what != "s3:DeleteObject" && !check.fix.is_empty()) {
            closed.push(used.part.clone());
        }
        checks.extend(tried);
    }
    checks.extend(cloudwatch(subject, stored, doors));
    checks.extend(cost_explorer(subject, doors));
    let folders = subject.config.bill.iter().map(|bill| ("bill", &bill.path));
    let files = subject.config.metrics.iter().filter(|metrics| !metrics.api);
    let folders = folders.chain(files.map(|metrics| ("metrics", &metrics.path)));
    for (kind, path) in folders.filter(|(_, path)| s3_address(path).is_none()) {
        let check = readable(kind, path, &subject.config.resolve(path));
        if !check.fix.is_empty() {
            closed.push(format!("{kind} {path}"));
        }
        checks.push(check);
    }
    if let Place::Local(folder) = subject.store.place() {
        checks.extend(writable(&subject.config.store.path, folder));
    }
    closed
}

/// The rights to a bucket's objects.
fn objects(subject: &Subject<'_>, used: &Use) -> Vec<Check> {
    let (Deed::Read(name, prefix) | Deed::Keep(name, prefix)) = &used.deed else { return Vec::new() };
    let partition = policy::partition_of(&used.access, environment_region().as_deref());
    let bucket = Bucket::new(subject.aws.clone(), used.access.clone(), name);
    let tried = match bucket.first(prefix) {
        Err(failure) => vec![Err(failure)],
        Ok(listed) => match &used.deed {
            Deed::Keep(..) => [vec![Ok("s3:ListBucket")], kept(&bucket, prefix)].concat(),
            _ => match listed.iter().find(|object| object.size > 0) {
                Some(object) => vec![Ok("s3:ListBucket"), read(&bucket, object)],
                None => {
                    let fix = "wait for the first delivery, or check the path in the config";
                    let found = "nothing lies there, so reading could not be tried";
                    return vec![Check::warning("s3:GetObject", &used.part, found, fix)];
                }
            },
        },
    };
    let check = |tried: Result<&'static str, Failure>| match tried {
        Ok(action) => Check::ok(action, &used.part, "works"),
        Err(failure) => Check::refused(failure, &used.part, &partition),
    };
    tried.into_iter().map(check).collect()
}

/// Reads one byte, which no object is too large for.
fn read(bucket: &Bucket, object: &Listed) -> Result<&'static str, Failure> {
    bucket.ranges(&object.key, &object.etag, std::slice::from_ref(&(0..1))).map(|_| "s3:GetObject")
}

/// Writes, reads and removes the hidden file. What failed makes what follows pointless, but for the removal.
fn kept(bucket: &Bucket, prefix: &str) -> Vec<Result<&'static str, Failure>> {
    let key = format!("{prefix}{TRIAL}");
    let written = bucket.put(&key, &Bytes::from_static(b"billtag doctor was here\n"), &Condition::Always);
    if let Err(failure) = written {
        return vec![Err(failure)];
    }
    let read = bucket.get(&key, None).map(|_| "s3:GetObject");
    vec![Ok("s3:PutObject"), read, bucket.delete(&key).map(|()| "s3:DeleteObject")]
}

/// The credentials and regions that CloudWatch is asked with, each with its name for people.
pub(super) fn asked_of_cloudwatch(subject: &Subject<'_>, stored: &Stored, doors: &Doors) -> Vec<(Access, String)> {
    let asked = subject.config.metrics.iter().filter(|metrics| metrics.api);
    let mut asked: Vec<_> = asked.flat_map(|metrics| targets(subject, stored, metrics)).collect();
    asked.retain(|(access, _)| !doors.is_closed(access) && !access.role_arn.iter().any(|role| role.contains('{')));
    asked.sort_by(|a, b| a.1.cmp(&b.1));
    asked.dedup();
    asked
}

/// The rights to ask CloudWatch, in each account and region that is asked.
fn cloudwatch(subject: &Subject<'_>, stored: &Stored, doors: &Doors) -> Vec<Check> {
    let asked = asked_of_cloudwatch(subject, stored, doors);
    if asked.is_empty() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let mut report = |action: &'static str, answers: Vec<Result<(), Failure>>| {
        let mut works = Vec::new();
        let mut refused = Vec::new();
        for ((access, name), answer) in asked.iter().zip(answers) {
            match answer {
                Ok(()) => works.push(name.clone()),
                Err(failure) => {
                    let partition = policy::partition_of(access, environment_region().as_deref());
                    refused.push(Check::refused(failure, name, &partition));
                }
            }
        }
        if !works.is_empty() {
            checks.push(Check::ok(action, &some(&works, 4), "works"));
        }
        checks.extend(refused);
    };
    let tried = |request: &dyn Fn(&Access) -> Result<(), Failure>| -> Vec<Result<(), Failure>> {
        asked.iter().map(|(access, _)| request(access)).collect()
    };
    report("cloudwatch:ListMetrics", tried(&|access| probe::list_metrics(subject.aws, access).map(|_| ())));
    report("cloudwatch:GetMetricData", tried(&|access| probe::get_metric_data(subject.aws, access)));
    checks
}

/// Cost Explorer asks for a cent, so only those who agree to that are told.
fn cost_explorer(subject: &Subject<'_>, doors: &Doors) -> Vec<Check> {
    let access = subject.config.cost_explorer_access();
    if doors.is_closed(&access) || !(uses_aws(subject.config) || subject.is_paid) {
        return Vec::new();
    }
    const ACTION: &str = "ce:GetCostAndUsage";
    if !subject.is_paid {
        let not = "not tried, since one answer costs $0.01; `billtag doctor --paid` tries it";
        return vec![Check::ok(ACTION, "Cost Explorer", not)];
    }
    let tried = probe::cost_and_usage(subject.aws, &access);
    let partition = policy::partition_of(&access, environment_region().as_deref());
    vec![tried.map_or_else(
        |failure| Check::refused(failure, "Cost Explorer", &partition),
        |()| Check::ok(ACTION, "Cost Explorer", "works; it cost $0.01"),
    )]
}

/// Whether a local folder, or file, can be read: its first file is opened.
fn readable(kind: &str, path: &str, folder: &Path) -> Check {
    let on = format!("{kind} {path}");
    match first_byte(folder) {
        Ok(()) => Check::ok("read", &on, "works"),
        Err(error) => Check::of_error("read", &on, &error),
    }
}

fn first_byte(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(Error::io(path, "list"))?;
        let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        // The first file of the first folder stands for the rest, as one object does in S3.
        return entries.first().map_or(Ok(()), |first| first_byte(first));
    }
    let mut file = std::fs::File::open(path).map_err(Error::io(path, "open"))?;
    file.read(&mut [0]).map(|_| ()).map_err(Error::io(path, "read"))
}

/// Whether a local store can be written, and whether its disk has room.
fn writable(path: &str, folder: &Path) -> Vec<Check> {
    let on = format!("store {path}");
    // A store that is not there yet is made by the first run, in the nearest folder that is.
    let existing = folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.is_dir());
    let existing = existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = existing.join(TRIAL);
    let tried = std::fs::write(&trial, b"").map_err(Error::io(&trial, "write"));
    let tried = tried.and_then(|()| std::fs::remove_file(&trial).map_err(Error::io(&trial, "remove")));
    let mut checks = vec![match tried {
        Ok(()) => Check::ok("write", &on, "works"),
        Err(error) => Check::of_error("write", &on, &error),
    }];
    checks.extend(free(existing).map(|free| {
        let fix = "free some space, or move the store with `[store] path`";
        match free {
            ..LITTLE => Check::warning("disk", &on, format!("{} MiB are free", free >> 20), fix),
            LITTLE.. => Check::ok("disk", &on, "more than 1 GiB is free"),
        }
    }));
    checks
}

/// Bytes that are free where a folder lies, where the system tells.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}
