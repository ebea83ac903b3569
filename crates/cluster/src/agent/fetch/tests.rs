use super::*;
use std::os::unix::fs::MetadataExt;

fn uri(path: &Path, sum: Option<&str>, executable: bool) -> FetchUri {
    let query = sum.map(|s| format!("?sha256={s}")).unwrap_or_default();
    FetchUri::parse(&format!("file://{}{query}", path.display()), executable, true, false, None).unwrap()
}

struct Setup {
    dir: tempfile::TempDir,
    fetcher: Fetcher,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(dir.path().join("cache"));
        Self { dir, fetcher }
    }

    fn sandbox(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    fn archive(&self) -> (PathBuf, String) {
        let path = self.dir.path().join("kit.tar");
        let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o755);
        builder.append_data(&mut header, "kit/bin/run", &b"hello"[..]).unwrap();
        builder.finish().unwrap();
        let sum = hex(&Sha256::digest(fs::read(&path).unwrap()));
        (path, sum)
    }
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_linked_into_each_sandbox() {
    let setup = Setup::new();
    let (path, sum) = setup.archive();
    let uris = [uri(&path, Some(&sum), false)];
    let (a, b) = (setup.sandbox("a"), setup.sandbox("b"));
    let (first, second) = tokio::join!(setup.fetcher.fetch(&uris, &a), setup.fetcher.fetch(&uris, &b));
    first.unwrap();
    second.unwrap();
    let inode = |dir: &Path| fs::metadata(dir.join("kit/bin/run")).unwrap().ino();
    assert_eq!(inode(&a), inode(&b));
    assert_eq!(fs::read_to_string(a.join("kit/bin/run")).unwrap(), "hello");
    assert!(a.join("kit.tar").exists());
    fs::remove_file(path).unwrap();
    setup.fetcher.fetch(&uris, &setup.sandbox("c")).await.unwrap();
}

#[tokio::test]
async fn archives_of_all_kinds_are_unpacked_beside_themselves() {
    let setup = Setup::new();
    let (tar, _) = setup.archive();
    let packed = |program: &str, ending: &str| {
        let path = setup.dir.path().join(format!("kit{ending}"));
        let output = fs::File::create(&path).unwrap();
        let status = std::process::Command::new(program).arg("-c").arg(&tar).stdout(output).status().unwrap();
        assert!(status.success());
        path
    };
    let archives = [("gzip", ".tgz"), ("xz", ".tar.xz"), ("bzip2", ".tbz2"), ("gzip", ".tar.other.gz")];
    for (number, (program, ending)) in archives.into_iter().enumerate() {
        let sandbox = setup.sandbox(&number.to_string());
        setup.fetcher.fetch(&[uri(&packed(program, ending), None, false)], &sandbox).await.unwrap();
        assert!(sandbox.join(format!("kit{ending}")).exists(), "{ending}");
        let plain = sandbox.join("kit.tar.other");
        let came = if plain.exists() {
            fs::read(plain).unwrap() == fs::read(&tar).unwrap()
        } else {
            fs::read_to_string(sandbox.join("kit/bin/run")).unwrap() == "hello"
        };
        assert!(came, "{ending}");
    }
    let broken = setup.dir.path().join("broken.tar.xz");
    fs::write(&broken, "no xz at all").unwrap();
    let sandbox = setup.sandbox("broken");
    setup.fetcher.fetch(&[uri(&broken, None, false)], &sandbox).await.unwrap_err();
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_with_both_sums() {
    let setup = Setup::new();
    let (path, sum) = setup.archive();
    let wrong = "0".repeat(64);
    let sandbox = setup.sandbox("a");
    let error =
        setup.fetcher.fetch(&[uri(&path, Some(&wrong), false)], &sandbox).await.unwrap_err().to_string();
    assert!(error.contains(&wrong) && error.contains(&sum), "{error}");
    assert_eq!(fs::read_dir(&sandbox).unwrap().count(), 0);
    assert_eq!(fs::read_dir(setup.dir.path().join("cache")).unwrap().count(), 0);
}

#[tokio::test]
async fn executables_are_executable() {
    let setup = Setup::new();
    let (path, sum) = setup.archive();
    let sandbox = setup.sandbox("a");
    setup.fetcher.fetch(&[uri(&path, Some(&sum), true)], &sandbox).await.unwrap();
    assert_eq!(fs::metadata(sandbox.join("kit.tar")).unwrap().mode() & 0o777, 0o555);
    assert!(!sandbox.join("kit").exists());
}

#[tokio::test]
async fn without_a_checksum_nothing_is_kept() {
    let setup = Setup::new();
    let (path, _) = setup.archive();
    let sandbox = setup.sandbox("a");
    setup.fetcher.fetch(&[uri(&path, None, false)], &sandbox).await.unwrap();
    assert_eq!(fs::metadata(sandbox.join("kit/bin/run")).unwrap().mode() & 0o777, 0o755);
    assert!(!setup.dir.path().join("cache").exists());
}

#[tokio::test]
async fn a_missing_file_says_so() {
    let setup = Setup::new();
    let sandbox = setup.sandbox("a");
    let error =
        setup.fetcher.fetch(&[uri(Path::new("/no/such/file"), None, false)], &sandbox).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot fetch file:///no/such/file: No such file or directory (os error 2)"
    );
}
