//! Reads a document: its command lines, what each one prints, and its links.

use std::path::Path;

const FENCE: &str = "```";

/// Stands for any text of a line, and on a line of its own for any lines.
const ANYTHING: char = '…';

/// The mark of blocks that are run beside a gateway and a simulator.
pub(super) const RUN: &str = "sh";
/// The mark of blocks that are not.
pub(crate) const NOT_RUN: &str = "sh no_run";

/// One command line.
pub(crate) struct Command {
    /// `docs/api.md:12`
    pub(super) place: String,
    pub(crate) text: String,
    /// The lines that it prints; none: it only has to succeed.
    pub(super) shown: Option<Vec<String>>,
}

impl Command {
    /// Whether it only looks, so that it may be run again until what was begun has come about.
    pub(super) fn only_looks(&self) -> bool {
        let writes = [" -d ", " -X ", " -F ", "--data"];
        self.text.starts_with("curl ") && !writes.iter().any(|option| self.text.contains(option))
    }

    /// Whether `printed` is what stands in the document.
    pub(super) fn prints(&self, printed: &[&str]) -> bool {
        self.shown.as_ref().is_none_or(|shown| lines_match(shown, printed))
    }
}

/// The command lines of the blocks marked `mark` and nothing else, in order.
pub(crate) fn commands(path: &Path, text: &str, mark: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = text.lines().zip(1..);
    // Whether nothing but empty lines stands between here and a block that was run.
    let mut behind_commands = false;
    while let Some((line, _)) = lines.next() {
        let Some(kind) = line.strip_prefix(FENCE) else {
            behind_commands &= line.is_empty();
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|(line, _)| *line != FENCE).collect();
        if kind == mark {
            commands.append(&mut read_block(path, &block));
        } else if behind_commands
            && matches!(kind, "json" | "text")
            && let Some(last) = commands.last_mut()
        {
            last.shown = Some(read_output(kind, &block));
        }
        behind_commands = kind == mark;
    }
    commands
}

fn read_block(path: &Path, block: &[(&str, usize)]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continues = false;
    for (line, number) in block {
        let last = commands.last_mut();
        match (line.strip_prefix("# "), last) {
            (Some(shown), Some(last)) => last.shown.get_or_insert_default().push(shown.to_owned()),
            // A remark above the first command.
            (Some(_), None) => {}
            (None, Some(last)) if continues => last.text += &format!("\n{line}"),
            (None, _) if line.is_empty() => {}
            (None, _) => {
                let place = format!("{}:{number}", path.display());
                commands.push(Command { place, text: (*line).to_owned(), shown: None });
            }
        }
        continues = line.ends_with('\\');
    }
    commands
}

/// JSON may stand on several lines: it is printed on one.
fn read_output(kind: &str, block: &[(&str, usize)]) -> Vec<String> {
    let lines = block.iter().map(|(line, _)| *line);
    if kind == "json" {
        vec![lines.map(str::trim_start).collect()]
    } else {
        lines.map(str::to_owned).collect()
    }
}

fn lines_match(shown: &[String], printed: &[&str]) -> bool {
    let Some((line, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    if line.chars().eq([ANYTHING]) {
        return (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]));
    }
    printed.split_first().is_some_and(|(first, after)| line_matches(line, first) && lines_match(rest, after))
}

/// Whether `printed` is `shown`, in which a `…` stands for any text.
pub(super) fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((first, rest)) = shown.split_once(ANYTHING) else {
        return shown == printed;
    };
    let Some(mut left) = printed.strip_prefix(first) else {
        return false;
    };
    let (between, last) = rest.rsplit_once(ANYTHING).unwrap_or(("", rest));
    for part in between.split(ANYTHING) {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

/// Links to files and headings that are not there.
pub(super) fn dead_links(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let ours = targets.filter(|target| !target.starts_with("https://"));
    ours.filter(|target| !leads_somewhere(path, target))
        .map(|target| format!("{}: {target}", path.display()))
        .collect()
}

fn leads_somewhere(from: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    if heading.is_empty() {
        return file.exists();
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
}

/// As GitHub makes it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_block_or_lines_below_a_command_are_what_it_prints() {
    let text = "```sh\necho 1\n# 1\ncat \\\n  a\n```\n\n```json\n{\"c\":\n 3}\n```\n\n```sh\ntrue\n```\n\n```sh no_run\nfalse\n```\n```text\n2\n```\n";
    let commands = commands(Path::new("docs/x.md"), text, RUN);
    let joined = |shown: &Option<Vec<String>>| shown.as_ref().map(|lines| lines.join("\n"));
    let read: Vec<_> = commands
        .iter()
        .map(|Command { place, text, shown }| (place.as_str(), text.as_str(), joined(shown)))
        .collect();
    let expected = [
        ("docs/x.md:2", "echo 1", Some("1".to_owned())),
        ("docs/x.md:4", "cat \\\n  a", Some("{\"c\":3}".to_owned())),
        ("docs/x.md:14", "true", None),
    ];
    assert_eq!(read, expected);
}

#[test]
fn only_an_ellipsis_stands_for_something_else() {
    assert!(line_matches("{\"a\":…,\"b\":2…}", "{\"a\":1,\"b\":2}"));
    assert!(line_matches("{\"a\":…,\"b\":2…}", "{\"a\":1,\"b\":2,\"c\":3}"));
    assert!(!line_matches("{\"a\":…,\"b\":2…}", "{\"a\":1,\"b\":3}"));
    assert!(!line_matches("{\"a\":…,\"b\":2}", "{\"a\":1,\"b\":2,\"c\":3}"));
    let shown = ["a", "…", "d"].map(str::to_owned);
    assert!(lines_match(&shown, &["a", "b", "c", "d"]) && lines_match(&shown, &["a", "d"]));
    assert!(!lines_match(&shown, &["a", "b"]) && !lines_match(&shown, &["a", "d", "e"]));
}
