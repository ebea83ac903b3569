//! The files of a stack as the client reads them: those that are named on the command line, and those that they name.

use std::io::Read;
use std::path::{Path, PathBuf};

use cairn_stack::{Bundle, Content};

use crate::failure::Failure;

/// Much more than a spec may have, so that the true size of what is too large is told; less than hurts.
const READ_AT_MOST: u64 = 64 * 1024 * 1024;
/// How standard input is called among the files.
pub(super) const STDIN: &str = "<stdin>";

/// Reads `files`, each laid over those before it, and all that they name. Files that are named within files must lie in
/// the folder of one of `files`, or in one of `include`, or below; another one counts as absent, with the reason.
///
/// # Errors
/// When one of `files` cannot be read, or is named twice.
pub(crate) fn load(files: &[String], include: &[PathBuf]) -> Result<Bundle, Failure> {
    let mut bundle = Bundle::default();
    let mut roots = Vec::new();
    for dir in include {
        let root = std::fs::canonicalize(dir).map_err(|error| {
            Failure::hint(
                format!("cannot include {}: {error}", dir.display()),
                "name a folder of stack files with --include",
            )
        })?;
        roots.push(root);
    }
    for file in files {
        let (name, bytes) = main_file(file)?;
        if bundle.main.contains(&name) {
            return Err(Failure::hint(
                format!("{name} is named twice"),
                "each -f is laid over those before it, so twice makes no sense",
            ));
        }
        let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
        // A folder that cannot be resolved holds nothing that can be read.
        roots.extend(std::fs::canonicalize(folder.unwrap_or(Path::new("."))));
        bundle.push(name, bytes);
    }
    loop {
        let wanted = bundle.wanted();
        if wanted.is_empty() {
            return Ok(bundle);
        }
        for name in wanted {
            let content = named_file(&name, &roots);
            bundle.files.insert(name, content);
        }
    }
}

fn main_file(file: &str) -> Result<(String, Vec<u8>), Failure> {
    let (name, bytes) = match file {
        "-" => (STDIN.to_owned(), limited(std::io::stdin().lock())),
        path => (path.to_owned(), std::fs::File::open(Path::new(path)).and_then(limited)),
    };
    let bytes = bytes.map_err(|error| {
        Failure::hint(
            format!("cannot read {name}: {error}"),
            "name a stack spec with -f FILE, or `-f -` for stdin",
        )
    })?;
    Ok((name, bytes))
}

/// A file that another one names. Links are followed before it is judged where it lies.
fn named_file(name: &str, roots: &[PathBuf]) -> Content {
    let read = |path: &Path| std::fs::File::open(path).and_then(limited);
    match std::fs::canonicalize(name) {
        Err(error) => Content::Absent(error.to_string()),
        Ok(path) if !roots.iter().any(|root| path.starts_with(root)) => Content::Absent(
            "it lies outside of the stack's folder; --include FOLDER on the command line allows that"
                .to_owned(),
        ),
        Ok(path) => read(&path).map_or_else(|error| Content::Absent(error.to_string()), Content::Text),
    }
}

fn limited(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(READ_AT_MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn why(bundle: &Bundle, name: &str) -> String {
        match &bundle.files[name] {
            Content::Absent(why) => why.clone(),
            Content::Text(_) => panic!("{name} was read"),
        }
    }

    #[test]
    fn a_bundle_is_what_is_named_within_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::create_dir_all(dir.path().join("specs/sub")).unwrap();
        let nested =
            "stack: k\nservices: { z: { stack: ../../outside.yaml }, w: { framework: ../web.yaml } }\n";
        fs::write(at("specs/sub/kafka.yaml"), nested).unwrap();
        fs::write(at("specs/web.yaml"), "framework: web\nservice: {}\n").unwrap();
        fs::write(at("outside.yaml"), "stack: o\nservices: {}\n").unwrap();
        std::os::unix::fs::symlink(at("outside.yaml"), at("specs/link.yaml")).unwrap();
        let main = "stack: m\nservices: { k: { stack: ./sub/kafka.yaml }, l: { stack: link.yaml }, n: { stack: no.yaml } }\n";
        fs::write(at("specs/main.yaml"), main).unwrap();

        let bundle = load(&[at("specs/main.yaml")], &[]).unwrap();
        assert_eq!(bundle.main, [at("specs/main.yaml")]);
        assert_eq!(bundle.files.len(), 6);
        assert!(matches!(&bundle.files[&at("specs/web.yaml")], Content::Text(_)));
        for outside in ["outside.yaml", "specs/link.yaml"] {
            assert!(why(&bundle, &at(outside)).contains("--include"), "{outside}");
        }
        assert!(why(&bundle, &at("specs/no.yaml")).starts_with("No such file"));

        let bundle = load(&[at("specs/main.yaml")], &[dir.path().to_owned()]).unwrap();
        assert!(matches!(&bundle.files[&at("outside.yaml")], Content::Text(_)));
        assert!(load(&[at("specs/main.yaml"), at("specs/main.yaml")], &[]).is_err());
    }
}
