//! What `serve` refuses before anything is made.

use crate::program::{Run, program};

#[test]
fn a_setting_that_cannot_work_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = |arguments: &[&str]| -> Run {
        let mut command = program(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]);
        command.args(arguments).current_dir(folder.path()).output().unwrap().into()
    };
    for (arguments, words) in [
        (["--delivery-timeout", "0s"], "delivery-timeout is 0s; give it 1s to 600s"),
        (["--memory-mib", "0"], "memory-mib is 0; give it 1 to 1048576"),
        (["--admin-listen", "nonsense"], "like 127.0.0.1:8400"),
    ] {
        serve(&arguments).refused(2, words);
        assert!(!data.exists(), "{words}");
    }
}
