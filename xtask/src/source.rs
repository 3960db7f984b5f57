//! A Rust file as the checks see it: code tokens with their brackets matched, comments by line.

use crate::lexer::{Kind, Token, tokens};

/// A Rust file of the project.
pub struct Source {
    /// From the project's root, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// Everything but comments.
    pub code: Vec<Token>,
    /// Comments alone, in order.
    pub comments: Vec<Token>,
    /// For the index of an opening bracket in `code`, that of the closing one (or the last token).
    mate: Vec<usize>,
    /// First and last line of each item under `#[cfg(test)]` or `#[test]`.
    tests: Vec<(usize, usize)>,
}

/// Comments on following lines, as one text.
pub struct Block {
    /// The first line.
    pub line: usize,
    /// The last line.
    pub end_line: usize,
    /// The words, without marks, one `\n` per line.
    pub text: String,
}

impl Source {
    /// Reads `text` as the file `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let (comments, code): (Vec<_>, Vec<_>) =
            tokens(text).into_iter().partition(|t| t.kind == Kind::Comment);
        let mate = mates(&code);
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            comments,
            mate,
            tests: Vec::new(),
        };
        source.tests = source.test_items();
        source
    }

    /// The index of the bracket that closes the one at `open`.
    pub fn close(&self, open: usize) -> usize {
        self.mate[open]
    }

    /// Whether the code tokens from `at` on are exactly `texts`.
    pub fn matches(&self, at: usize, texts: &[&str]) -> bool {
        texts.iter().enumerate().all(|(i, t)| self.is(at + i, t))
    }

    /// Whether the code token at `at` is `text`.
    pub fn is(&self, at: usize, text: &str) -> bool {
        self.code.get(at).is_some_and(|t| t.is(text))
    }

    /// The name at `at`, if there is one.
    pub fn ident(&self, at: usize) -> Option<&str> {
        self.code.get(at).filter(|t| t.kind == Kind::Ident).map(|t| t.text.as_str())
    }

    /// Whether `line` is test code: a file of tests, benchmarks or examples, or an item under
    /// `#[cfg(test)]` or `#[test]`.
    pub fn in_test(&self, line: usize) -> bool {
        self.is_test_file() || self.tests.iter().any(|(from, to)| (*from..=*to).contains(&line))
    }

    /// Whether the whole file is tests, benchmarks or examples.
    pub fn is_test_file(&self) -> bool {
        ["/tests/", "/benches/", "/examples/"].iter().any(|dir| self.path.contains(dir))
    }

    /// Whether the file is under `folder` (a path from the root, without a slash at its end).
    pub fn is_under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Comments in blocks: those on lines that follow each other, with no code between.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        for comment in &self.comments {
            let words = words(&comment.text);
            match blocks.last_mut() {
                Some(last) if last.end_line + 1 == comment.line && !self.code_on(comment.line) => {
                    last.end_line = comment.end_line;
                    last.text.push('\n');
                    last.text.push_str(&words);
                }
                _ => blocks.push(Block {
                    line: comment.line,
                    end_line: comment.end_line,
                    text: words,
                }),
            }
        }
        blocks
    }

    fn code_on(&self, line: usize) -> bool {
        let first = self.code.partition_point(|t| t.end_line < line);
        self.code.get(first).is_some_and(|t| t.line <= line)
    }

    /// The indices of attributes' opening brackets: `#[…]` and `#![…]`.
    pub fn attributes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.code.len()).filter_map(|i| match () {
            () if self.matches(i, &["#", "["]) => Some(i + 1),
            () if self.matches(i, &["#", "!", "["]) => Some(i + 2),
            () => None,
        })
    }

    /// The index of the last token of the item that begins at `start`: its body's closing brace or
    /// its semicolon.
    pub fn item_end(&self, start: usize) -> usize {
        let mut at = start;
        while at < self.code.len() {
            let token = &self.code[at];
            if token.kind == Kind::Open {
                at = self.close(at);
                if token.is("{") {
                    // `use a::{b, c};` and `= Struct { … };` go on to their semicolon.
                    return if self.is(at + 1, ";") { at + 1 } else { at };
                }
            } else if token.is(";") || token.kind == Kind::Close {
                return at;
            }
            at += 1;
        }
        self.code.len().saturating_sub(1)
    }

    fn test_items(&self) -> Vec<(usize, usize)> {
        let mut items = Vec::new();
        for open in self.attributes() {
            let close = self.close(open);
            let inside = &self.code[open + 1..close.max(open + 1)];
            let names = |name: &str| inside.iter().any(|t| t.is(name));
            let is_test = inside.len() == 1 && names("test");
            if is_test || (names("cfg") && names("test") && !names("not")) {
                let end = self.item_end(close + 1);
                items.push((self.code[open].line, self.code[end].end_line));
            }
        }
        items
    }
}

/// A comment's words, its marks taken off.
fn words(comment: &str) -> String {
    let line = |l: &str| l.trim().trim_start_matches(['/', '*', '!']).trim().to_owned();
    let body = comment.trim_end_matches("*/");
    body.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn mates(code: &[Token]) -> Vec<usize> {
    let mut mate: Vec<usize> = vec![code.len().saturating_sub(1); code.len()];
    let mut open = Vec::new();
    for (i, token) in code.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(i),
            Kind::Close => {
                if let Some(start) = open.pop() {
                    mate[start] = i;
                }
            }
            _ => {}
        }
    }
    mate
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn test_items_are_found_by_their_attribute() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n\
                    #[test]\nfn d() {}\n#[cfg(all(test, loom))]\nuse x::{y, z};\nfn e() {}\n";
        let source = Source::new("src/a.rs", text);
        let lines: Vec<_> = (1..13).filter(|l| source.in_test(*l)).collect();
        assert_eq!(lines, [2, 3, 4, 5, 8, 9, 10, 11]);
        assert!(Source::new("crates/x/tests/a.rs", text).in_test(1));
    }

    #[test]
    fn comments_join_while_their_lines_follow() {
        let text = "// one\n// two\nlet a = 1; // three\n// four\n\n/* five\n * six */\n";
        let blocks: Vec<_> =
            Source::new("a.rs", text).blocks().into_iter().map(|b| (b.line, b.text)).collect();
        assert_eq!(
            blocks,
            [
                (1, "one\ntwo".to_owned()),
                (3, "three\nfour".to_owned()),
                (6, "five\nsix".to_owned()),
            ]
        );
    }
}
