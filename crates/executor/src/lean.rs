//! Memory that start-up needed and the long time after it does not.
//!
//! There is an executor beside each instance. Rendering files, unpacking and starting a service runs through code that is
//! not run again, and the kernel maps it in pieces of 64 KiB: about two thirds of what an executor has mapped once its
//! service is ready. What is needed again is mapped again, from the page cache.

use rustix::mm::{Advice, madvise};

/// Lets go of the pages of this program's code. They are read-only and belong to the program's file, so nothing is lost.
pub(crate) fn let_go_of_start_up() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    let program = program.display().to_string();
    for (from, length) in maps.lines().filter_map(|line| code(line, &program)) {
        let start = std::ptr::without_provenance_mut(from);
        // SAFETY: the range is one mapping of a file that is never written to (`r-xp`): a page that is let go is read from
        // the file when it is touched next, with the same content.
        #[expect(unsafe_code, reason = "no safe function lets pages go")]
        let advised = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            tracing::debug!(%error, "the pages of start-up stay mapped");
        }
    }
}

/// Address and length of the program's code, if this line of `/proc/self/maps` is about it.
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let path = line.split_once('/').map(|(_, rest)| format!("/{rest}"))?;
    if rights != "r-xp" || path != program {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    Some((from, to.checked_sub(from)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_code_is_let_go() {
        let line = |rights: &str, path: &str| format!("5581000-5583000 {rights} 001000 fe:00 42      {path}");
        assert_eq!(code(&line("r-xp", "/a b/cairn"), "/a b/cairn"), Some((0x558_1000, 0x2000)));
        assert_eq!(code(&line("rw-p", "/a b/cairn"), "/a b/cairn"), None);
        assert_eq!(code(&line("r-xp", "/lib/libc.so.6"), "/a b/cairn"), None);
        assert_eq!(code("7ffe000-7fff000 r-xp 0 00:00 0 [vdso]", "/a b/cairn"), None);
    }

    #[test]
    fn code_runs_on_after_it_was_let_go() {
        let_go_of_start_up();
        assert_eq!("12".parse::<u8>(), Ok(12));
    }
}
