//! The guide's table of what a drop and a cancel do has every operation, and no other: whatever
//! public function gives a future is found in the sources, and has its row.

use std::collections::BTreeSet;
use std::path::Path;

/// The type that a function belongs to, and its name.
type Operation = (String, String);

const PAGE: &str = include_str!("../docs/cancel-safety.md");

/// All of the crate's source, file by file.
fn sources() -> Vec<String> {
    fn read(below: &Path, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(below).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(std::fs::read_to_string(path).expect("a text"));
            }
        }
    }
    let mut all = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all
}

/// The identifiers of a piece of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c| !is_part(c)).filter(|word| !word.is_empty())
}

/// The type that an `impl` of `header` is for, where it is of no trait.
fn owner(header: &str) -> Option<String> {
    // What is in angle brackets is no part of the name.
    let mut depth = 0;
    let bare: String = header
        .replace("->", "")
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '<') - i32::from(*c == '>');
            depth == 0 && *c != '>'
        })
        .collect();
    let name = words(&bare).nth(1)?.to_owned();
    (!words(&bare).any(|word| word == "for")).then_some(name)
}

/// The types that are futures.
fn futures(sources: &[String]) -> BTreeSet<String> {
    let lines = sources.iter().flat_map(|source| source.lines());
    let of = lines.filter(|line| line.starts_with("impl"));
    of.filter_map(|line| words(line.split_once("Future for ")?.1).next())
        .map(str::to_owned)
        .collect()
}

/// The public functions in `source` that are async, or whose result has one of `futures`. As
/// rustfmt leaves it, what belongs to an `impl` is indented, and ends with a brace at the margin.
fn operations(source: &str, futures: &BTreeSet<String>) -> Vec<Operation> {
    let mut found = Vec::new();
    let mut of = None;
    let mut lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        if line == "}" {
            of = None;
        }
        let is_function = ["pub fn ", "pub async fn "].iter().any(|f| line.trim().starts_with(f));
        if !line.starts_with("impl") && !is_function {
            continue;
        }
        let mut header = line.to_owned();
        while !header.contains(['{', ';']) {
            header.push_str(lines.next().expect("the header's end"));
        }
        if !is_function {
            of = owner(&header);
            continue;
        }
        let output = header.rsplit_once("->").map_or("", |(_, output)| output);
        let is_async = words(&header).any(|word| word == "async");
        if is_async || words(output).any(|word| futures.contains(word)) {
            let rest = header.split("fn ").nth(1).expect("what is behind the word");
            if rest.starts_with('$') {
                // A macro's, for operations that the engine's files have too.
                continue;
            }
            let name = words(rest).next().expect("a function's name").to_owned();
            // A function of its own is one of the runtime that the thread is inside of.
            found.push((of.clone().unwrap_or_else(|| "runtime".to_owned()), name));
        }
    }
    found
}

/// The names in the first two columns of the page's table: each of one with each of the other.
fn rows(page: &str) -> Vec<Operation> {
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut all = Vec::new();
    for row in cells.map(|row| row.split(" | ").collect::<Vec<_>>()) {
        assert_eq!(row.len(), 4, "{row:?}");
        let (types, operations) = (names(row[0]), names(row[1]));
        all.extend(
            types.iter().flat_map(|of| operations.iter().map(|op| (of.clone(), op.clone()))),
        );
    }
    all
}

#[test]
fn every_operation_has_its_row() {
    let sources = sources();
    let futures = futures(&sources);
    for name in ["Op", "Then", "Opening", "Take", "Drive"] {
        assert!(futures.contains(name), "{name} is a future: {futures:?}");
    }
    let all = sources.iter().flat_map(|source| operations(source, &futures));
    let all: BTreeSet<Operation> = all.collect();
    assert!(all.len() > 70, "the places to look are empty: {all:?}");
    let listed = rows(PAGE);
    let rows: BTreeSet<Operation> = listed.iter().cloned().collect();
    assert_eq!(rows.len(), listed.len(), "one has two rows");
    let missing: Vec<_> = all.difference(&rows).collect();
    assert!(missing.is_empty(), "without a row in docs/cancel-safety.md: {missing:?}");
    let unknown: Vec<_> = rows.difference(&all).collect();
    assert!(unknown.is_empty(), "in docs/cancel-safety.md, and no operation: {unknown:?}");
}

#[test]
fn an_operation_is_found_however_it_is_written() {
    let source = "
impl<'a, T: Fn() -> Op<u8>> Holder<'a, T> {
    /// pub fn said(&self) -> Op<u8> {
    pub fn plain(&self) -> Op<u8> {
    pub fn fallible<'b, M>(
        &self,
        memory: impl FnOnce() -> M,
    ) -> Result<Op<u8>, Error> {
    pub async fn waits(&self) {}
    pub fn of_one(&self, one: Op<u8>) -> Self {
    pub(crate) fn own(&self) -> Op<u8> {
}
impl Future for Steps {
    pub fn not_counted(&self) -> Opening {
";
    let futures = futures(&[source.to_owned(), "impl<T> Future for Op<T> {".to_owned()]);
    assert_eq!(futures, BTreeSet::from(["Op", "Steps"].map(str::to_owned)));
    let found = operations(source, &futures);
    let expected = ["plain", "fallible", "waits"];
    assert_eq!(found, expected.map(|name| ("Holder".to_owned(), name.to_owned())));
    assert_eq!(rows("| `A`, `B` | `c`, `d` | `e` | f |").len(), 4);
}
