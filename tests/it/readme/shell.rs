//! One shell in which the command lines of a document run, one behind the other.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::document;

/// A refusal by the server fails a command that shows no output; one that shows some has to print exactly that.
const START: &str = "curl() { command curl -sS $strict \"$@\"; }\n";

/// Behind what a command printed comes this line, with its exit code.
const END: &str = "\u{1}end ";

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(crate) struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: std::fs::File,
    replacements: Vec<(&'static str, String)>,
}

impl Shell {
    pub(crate) fn start(variables: &[(String, String)], replacements: &[(&'static str, String)]) -> Self {
        let errors = tempfile::tempfile().unwrap();
        let mut child = Command::new("sh")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        input.write_all(START.as_bytes()).unwrap();
        Self { child, input, output: BufReader::new(output), errors, replacements: replacements.to_vec() }
    }

    /// Runs it, again if it only looks, until it prints what is shown; else what it printed.
    pub(crate) fn run(&mut self, command: &document::Command) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let (printed, code) = self.run_once(command);
            let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
            if code == "0" && command.prints(&lines) {
                return Ok(());
            }
            if !command.only_looks() || Instant::now() > end {
                let shown = command.shown.iter().flatten().map(|line| format!("\n  {line}"));
                return Err(format!(
                    "{}: {}\nended with {code} and printed\n  {}\ninstead of{}\non standard error\n{}",
                    command.place,
                    command.text,
                    lines.join("\n  "),
                    shown.collect::<String>(),
                    self.said()
                ));
            }
            #[allow(clippy::disallowed_methods, reason = "a shell has no event to wait for")]
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// What `text` prints.
    pub(super) fn output(&mut self, text: &str) -> String {
        let command = document::Command { place: text.to_owned(), text: text.to_owned(), shown: None };
        let (printed, code) = self.run_once(&command);
        assert_eq!(code, "0", "{text}: {}", self.said());
        printed
    }

    fn run_once(&mut self, command: &document::Command) -> (String, String) {
        let text =
            self.replacements.iter().fold(command.text.clone(), |text, (from, to)| text.replace(from, to));
        let strict = if command.shown.is_some() { "" } else { "--fail-with-body" };
        let script = format!("strict={strict}\n{{ {text}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?\n");
        self.input.write_all(script.as_bytes()).unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "{}: the shell ended: {}", command.place, self.said());
            if let Some(code) = line.strip_prefix(END) {
                return (printed.trim_end().to_owned(), code.trim().to_owned());
            }
            printed += &line;
        }
    }

    /// What stands on standard error.
    fn said(&mut self) -> String {
        let mut text = String::new();
        self.errors.rewind().unwrap();
        self.errors.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
