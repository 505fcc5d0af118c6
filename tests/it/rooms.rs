//! The table of rooms in `docs/architecture.md` against the source: a room uses what the table lets it use, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a room may use, as the table says.
#[derive(Debug, PartialEq)]
enum May {
    /// Every room.
    All,
    /// Every room whose row is further down.
    Below,
    /// These, and the leaves.
    These(BTreeSet<String>),
}

/// A room, its place in the table, and what it may use.
type Table = BTreeMap<String, (usize, May)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `main.rs`, `faces/<name>/` and `queue/` as the room that they are.
fn room_of(path: &str) -> String {
    let first = path.split('/').next().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn table() -> Table {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, section) = text.split_once("\n## The rooms\n").unwrap();
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut table = Table::new();
    for (place, row) in rows.skip(2).enumerate() {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [rooms, _, may] = cells[..] else { panic!("a row has three cells: {row}") };
        for room in rooms.split('`').skip(1).step_by(2).map(room_of) {
            let may = match may {
                "all" => May::All,
                "everything below" => May::Below,
                "leaves" => May::These(BTreeSet::new()),
                named => May::These(named.split(", ").map(str::to_owned).collect()),
            };
            assert!(table.insert(room.clone(), (place, may)).is_none(), "{room} has two rows");
        }
    }
    table
}

/// The rooms of the last row, which everybody may use.
fn leaves(table: &Table) -> BTreeSet<String> {
    let last = table.values().map(|(place, _)| *place).max().unwrap();
    table.iter().filter(|(_, (place, _))| *place == last).map(|(room, _)| room.clone()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The module that a line declares in a file of its own.
fn declared(line: &str) -> Option<&str> {
    line.trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')
}

/// The files and folders of the modules that `text`, which stands in `file`, declares for tests alone.
fn of_tests(file: &Path, text: &str) -> Vec<PathBuf> {
    let inner = match file.file_name().unwrap().to_str().unwrap() {
        "mod.rs" | "lib.rs" | "main.rs" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let after_attribute = |(line, next): (&str, &str)| {
        (line == "#[cfg(test)]").then(|| declared(next)).flatten().map(|name| inner.join(name))
    };
    text.lines().zip(text.lines().skip(1)).filter_map(after_attribute).collect()
}

/// The rooms that `code` names, as `crate::room` or in a list of them.
fn named(code: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first_word = |text: &'_ str| text.trim_start().find(|c| !is_word(c)).map_or(text.len(), |end| end);
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').and_then(|list| list.split_once("};"));
        match list {
            Some((list, _)) => {
                names.extend(list.split(',').map(|item| item.trim()).map(|item| &item[..first_word(item)]))
            }
            None => names.push(&rest[..first_word(rest)]),
        }
    }
    names
}

/// What the rooms name of each other in production, with the first file that does.
fn uses() -> BTreeMap<(String, String), String> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let texts: Vec<_> = files.into_iter().map(|file| (fs::read_to_string(&file).unwrap(), file)).collect();
    let of_tests: Vec<_> = texts.iter().flat_map(|(text, file)| of_tests(file, text)).collect();
    let mut uses = BTreeMap::new();
    for (text, file) in &texts {
        if of_tests.iter().any(|tests| file.with_extension("").starts_with(tests)) {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let relative = file.strip_prefix(root().join("src")).unwrap().to_str().unwrap();
        let room = room_of(relative);
        for other in named(&code.join("\n")).into_iter().filter(|other| *other != room) {
            uses.entry((room.clone(), other.to_owned())).or_insert_with(|| relative.to_owned());
        }
    }
    uses
}

#[test]
fn every_room_has_a_row_and_every_row_a_room() {
    let in_source: BTreeSet<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| room_of(entry.unwrap().file_name().to_str().unwrap()))
        .filter(|room| room != "lib")
        .collect();
    assert_eq!(table().into_keys().collect::<BTreeSet<_>>(), in_source);
}

#[test]
fn a_room_uses_what_the_table_lets_it_use() {
    let (table, uses) = (table(), uses());
    let leaves = leaves(&table);
    assert!(uses.len() > 100, "the source is not read: {}", uses.len());
    for ((room, other), file) in &uses {
        let Some((place, may)) = table.get(room) else { continue };
        let Some((others_place, _)) = table.get(other) else { continue };
        let is_allowed = match may {
            May::All => true,
            May::Below => others_place > place || leaves.contains(other),
            May::These(named) => named.contains(other) || leaves.contains(other) && room != "crypto",
        };
        assert!(is_allowed, "{room} may not use {other}: src/{file}");
    }
}

/// An arrow that nothing needs would let one in that nobody decided.
#[test]
fn the_table_allows_nothing_that_no_room_needs() {
    let uses = uses();
    for (room, (_, may)) in table() {
        let May::These(named) = may else { continue };
        for other in named.iter().filter(|other| *other != "nothing of ours") {
            assert!(uses.contains_key(&(room.clone(), other.clone())), "{room} does not use {other}");
        }
    }
}
