//! Rust source as tokens, comments among them, each with its lines.
//!
//! Checks that look for words in text are fooled by strings and comments, and a parser drops the
//! comments, which is what half of the checks are about. So: tokens, by the rules of the
//! reference's lexical structure, macros included. Names keep their `r#` off; `::`, `->` and `=>`
//! are one token, every other operator is one per character.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Ident,
    /// `'a`.
    Lifetime,
    /// A string, byte string, C string or character, quotes included.
    Text,
    /// A number.
    Number,
    /// An operator or separator.
    Punct,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// A comment with its marks: `//`, `///`, `//!` or a block.
    Comment,
}

/// A token and where it is; lines begin at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// How it is written.
    pub text: String,
    /// The line it begins on.
    pub line: usize,
    /// The line it ends on.
    pub end_line: usize,
}

impl Token {
    /// Whether it is the code token `text`; strings and comments never are.
    pub fn is(&self, text: &str) -> bool {
        self.text == text && !matches!(self.kind, Kind::Text | Kind::Comment)
    }
}

/// The tokens of `text`, in order. Text that is no Rust still yields tokens: the compiler is the
/// one to refuse it.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut out = Vec::new();
    while let Some(token) = lexer.next() {
        out.push(token);
    }
    out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

fn in_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<Token> {
        while self.byte(0).is_ascii_whitespace() {
            self.line += usize::from(self.byte(0) == b'\n');
            self.at += 1;
        }
        if self.at == self.text.len() {
            return None;
        }
        let (kind, bytes) = self.measure();
        let text = self.text[self.at..self.at + bytes].to_owned();
        let line = self.line;
        self.line += text.bytes().filter(|b| *b == b'\n').count();
        self.at += bytes;
        let text = match kind {
            Kind::Ident => text.strip_prefix("r#").map(str::to_owned).unwrap_or(text),
            _ => text,
        };
        Some(Token { kind, text, line, end_line: self.line })
    }

    /// The kind of the token here and its length in bytes.
    fn measure(&self) -> (Kind, usize) {
        let c = self.byte(0);
        match c {
            b'/' if self.byte(1) == b'/' => {
                (Kind::Comment, self.rest().find('\n').unwrap_or(self.rest().len()))
            }
            b'/' if self.byte(1) == b'*' => (Kind::Comment, self.block_comment()),
            b'"' => (Kind::Text, self.quoted(1, b'"')),
            b'\'' => self.quote(),
            b'(' | b'[' | b'{' => (Kind::Open, 1),
            b')' | b']' | b'}' => (Kind::Close, 1),
            b'0'..=b'9' => (Kind::Number, self.number()),
            _ if in_name(c) => self.prefixed().unwrap_or_else(|| (Kind::Ident, self.name(0))),
            _ if ["::", "->", "=>"].iter().any(|p| self.rest().starts_with(p)) => (Kind::Punct, 2),
            _ => (Kind::Punct, 1),
        }
    }

    /// The length of a name, `from` bytes being part of it already.
    fn name(&self, from: usize) -> usize {
        let bytes = &self.text.as_bytes()[self.at + from..];
        from + bytes.iter().take_while(|b| in_name(**b)).count()
    }

    fn number(&self) -> usize {
        let whole = self.name(1);
        let fraction = self.byte(whole) == b'.' && self.byte(whole + 1).is_ascii_digit();
        if fraction { self.name(whole + 1) } else { whole }
    }

    /// Block comments nest.
    fn block_comment(&self) -> usize {
        let (bytes, mut at, mut depth) = (self.rest().as_bytes(), 2, 1);
        while depth > 0 && at < bytes.len() {
            match &bytes[at..(at + 2).min(bytes.len())] {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
        }
        at
    }

    /// A literal with escapes whose opening quote ends `from` bytes from here.
    fn quoted(&self, from: usize, quote: u8) -> usize {
        let (bytes, mut at) = (self.rest().as_bytes(), from);
        while at < bytes.len() && bytes[at] != quote {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        (at + 1).min(bytes.len())
    }

    /// A character if a quote closes it, else a lifetime.
    fn quote(&self) -> (Kind, usize) {
        let mut chars = self.rest()[1..].chars();
        match chars.next() {
            Some('\\') => (Kind::Text, self.quoted(1, b'\'')),
            Some(c) if chars.next() == Some('\'') => (Kind::Text, 2 + c.len_utf8()),
            _ => (Kind::Lifetime, self.name(1)),
        }
    }

    /// `r"…"`, `br#"…"#`, `c"…"`, `b'…'` and `r#name`.
    fn prefixed(&self) -> Option<(Kind, usize)> {
        let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|p| {
            let next = self.byte(p.len());
            self.rest().starts_with(p) && matches!(next, b'"' | b'#' | b'\'')
        })?;
        let raw = prefix.ends_with('r');
        let from = prefix.len();
        match self.byte(from) {
            b'"' if !raw => Some((Kind::Text, self.quoted(from + 1, b'"'))),
            b'\'' if prefix == "b" => Some((Kind::Text, self.quoted(from + 1, b'\''))),
            b'"' | b'#' if raw => self.raw(from),
            _ => None,
        }
    }

    fn raw(&self, from: usize) -> Option<(Kind, usize)> {
        let bytes = self.rest().as_bytes();
        let hashes = bytes[from..].iter().take_while(|b| **b == b'#').count();
        if bytes.get(from + hashes) != Some(&b'"') {
            let named = hashes == 1 && from == 1 && in_name(self.byte(2));
            return named.then(|| (Kind::Ident, self.name(2)));
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = from + hashes + 1;
        let length = self.rest()[body..].find(&end).map(|at| body + at + end.len());
        Some((Kind::Text, length.unwrap_or(bytes.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokens};

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn strings_and_characters_are_one_token() {
        for literal in [
            "\"a // b\"",
            "\"\\\"\"",
            "r\"\\\"",
            "r#\"a \" /* b\"#",
            "b\"x\"",
            "br##\"\"#\"##",
            "c\"x\"",
            "'\\''",
            "'\"'",
            "b'\\\\'",
            "'é'",
        ] {
            let found = tokens(&format!("f({literal}) "));
            assert_eq!(found[2].text, literal);
            assert_eq!((found[2].kind, found.len()), (Kind::Text, 4), "{literal}");
        }
    }

    #[test]
    fn lifetimes_are_not_characters_and_raw_names_are_names() {
        assert_eq!(texts("&'a T<'_>"), ["&", "'a", "T", "<", "'_", ">"]);
        assert_eq!(texts("r#type bar brr cr2"), ["type", "bar", "brr", "cr2"]);
    }

    #[test]
    fn comments_nest_and_end_where_they_end() {
        let found = tokens("a /* x /* y */ \n z */ b // c\nd");
        let kinds: Vec<_> = found.iter().map(|t| (t.kind == Kind::Comment, t.line)).collect();
        assert_eq!(kinds, [(false, 1), (true, 1), (false, 2), (true, 2), (false, 3)]);
        assert_eq!(found[1].end_line, 2);
    }

    #[test]
    fn numbers_leave_ranges_alone() {
        assert_eq!(
            texts("0..2 1.5 0xffu8 t.0.1"),
            ["0", ".", ".", "2", "1.5", "0xffu8", "t", ".", "0.1"]
        );
        assert_eq!(texts("a::b->c=>d"), ["a", "::", "b", "->", "c", "=>", "d"]);
    }

    #[test]
    fn unfinished_text_ends_with_the_file() {
        for text in ["\"open", "r#\"open", "/* open", "'\\", "\"\\"] {
            assert_eq!(tokens(text).len(), 1, "{text}");
        }
    }
}
