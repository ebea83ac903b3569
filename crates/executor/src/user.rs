//! Services that must not be root although the executor is.

use std::io;
use std::path::Path;

use cairn_task::TaskSpec;

use crate::files;

/// The spec for whoever runs it here, and whom its files are given to.
///
/// The usual way is to become the user. A user that could not even reach the sandbox, because it lies below a folder that is
/// closed to others such as a home directory, exists in a user namespace instead: the service sees itself as that user and
/// has none of root's privileges, but its files are root's.
///
/// # Errors
/// The sandbox cannot be looked at.
pub(crate) fn adapt(mut spec: TaskSpec, sandbox: &Path) -> io::Result<(TaskSpec, Option<u32>)> {
    // Who is not root cannot become anybody else, and need not.
    let Some(user) = spec.run_as.filter(|_| rustix::process::geteuid().is_root()) else {
        return Ok((TaskSpec { run_as: None, ..spec }, None));
    };
    let Some(closed) = files::closed_to(sandbox, user)? else { return Ok((spec, Some(user))) };
    // It stands among the last lines of its output, which are told when it fails.
    eprintln!(
        "user {user} may not pass through {}, so the service runs in a user namespace; a work directory that everybody may \
         pass through, for example below /var/lib, makes it run as that user",
        closed.display()
    );
    for argv in spec.prepare.iter_mut().chain([&mut spec.command]) {
        let mapped =
            ["unshare", "--user", &format!("--map-user={user}"), &format!("--map-group={user}"), "--"];
        *argv = mapped.into_iter().map(str::to_owned).chain(argv.drain(..)).collect();
    }
    Ok((TaskSpec { run_as: None, ..spec }, Some(0)))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_user_that_cannot_reach_the_sandbox_exists_in_a_namespace() {
        let closed = tempfile::tempdir().unwrap();
        let sandbox = closed.path().join("sandbox");
        std::fs::create_dir(&sandbox).unwrap();
        let spec = || TaskSpec { command: vec!["run".into()], run_as: Some(65_534), ..TaskSpec::default() };
        let adapted = |mode| {
            set_permissions(closed.path(), Permissions::from_mode(mode)).unwrap();
            adapt(spec(), &sandbox).unwrap()
        };
        if !rustix::process::geteuid().is_root() {
            assert_eq!(adapted(0o711), (TaskSpec { run_as: None, ..spec() }, None));
            return;
        }
        assert_eq!(adapted(0o711), (spec(), Some(65_534)));
        let (mapped, owner) = adapted(0o700);
        assert_eq!((mapped.run_as, owner), (None, Some(0)));
        let line = "unshare --user --map-user=65534 --map-group=65534 -- run";
        assert_eq!(mapped.command.join(" "), line);
    }
}
