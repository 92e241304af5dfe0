//! A folder for a test, in which it runs commands.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn new(code: i32, out: &str, err: &str) -> Self {
        Self { code, out: out.to_owned(), err: err.to_owned() }
    }
}

/// Gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn with(files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("dialplane-cli-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        let folder = Self(path);
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `dialplane` with arguments as one types them.
    pub fn run(&self, arguments: &str) -> Outcome {
        self.run_with(&[], arguments)
    }

    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &str) -> Outcome {
        self.command(variables, &format!("dialplane {arguments}"))
    }

    pub fn shell(&self, script: &str) -> Outcome {
        self.command(&[], script)
    }

    /// Without a variable of the router, as on a machine that has no keys.
    fn command(&self, variables: &[(&str, &str)], script: &str) -> Outcome {
        let script = format!("dialplane() {{ '{}' \"$@\"; }}\n{script}", env!("CARGO_BIN_EXE_dialplane"));
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(&self.0).env_clear().env("PATH", path);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A call record on one line, of an anonymous caller.
pub fn record(id: u8, called: &str, received_at: &str) -> String {
    let mut record = crate::schemas::fixture("records/whole.json");
    record["id"] = json!(format!("00000000-0000-0000-0000-0000000000{id:02}"));
    record["call"]["called"] = json!({"number": called, "raw": called});
    record["call"]["received_at"] = json!(received_at);
    for field in ["caller", "diverted_from", "trunk"] {
        record["call"][field] = json!(null);
    }
    record["call"]["headers"] = json!({});
    crate::schemas::assert_valid("call-record.schema.json", &record);
    record.to_string()
}

/// The code blocks of a page that begin with one of `kinds`, without it.
pub fn blocks<'p>(page: &'p str, kinds: &[&str]) -> Vec<&'p str> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    let of_kind = |block: &'p str| kinds.iter().find_map(|kind| block.strip_prefix(kind));
    blocks.filter_map(of_kind).collect()
}
